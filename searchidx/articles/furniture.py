"""What furniture looks like: words and forms that give a block of text away, each with a weight and a name.

Weights are in natural units of evidence: about how much likelier, as a logarithm, such a block is in the furniture of
a page than in the body of an article. They were set by hand on half of the pages that
`benchmarks/boilerplate.py` reads; the figures come from the other half.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Sign(NamedTuple):
    """A form that gives furniture away.

    Attributes:
        reason: its name.
        weight: evidence for furniture.
        alone: whether such a block is furniture wherever it stands; others count only in the tail of an article.
        opening: matched from the start of the block.
        within: searched in the block; kept apart as that takes longer.
    """

    reason: str
    weight: float
    alone: bool
    opening: re.Pattern[str] | None
    within: re.Pattern[str] | None

    def fits(self, line: str) -> bool:
        """Whether a block, as one line, has this form."""
        return bool((self.opening and self.opening.match(line)) or (self.within and self.within.search(line)))


_NAME = r"(?-i:[A-Z])[\w.’'-]{1,20}"


def _sign(reason: str, weight: float, *patterns: str, alone: bool = False) -> Sign:
    opening = [pattern for pattern in patterns if pattern.startswith("^")]
    within = [pattern for pattern in patterns if not pattern.startswith("^")]
    return Sign(reason, weight, alone, _any(opening), _any(within))


def _any(patterns: list[str]) -> re.Pattern[str] | None:
    joined = "|".join(f"(?:{pattern})" for pattern in patterns).replace("NAME", _NAME)
    return re.compile(joined, re.IGNORECASE) if patterns else None


_UNIT = r"(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?|mo|mos|months?|y|yrs?|years?)"
_AGO = (
    rf"(?:\d+|an?|one|a few|just) ?(?:{_UNIT},? (?:and )?\d+ ?)?{_UNIT}\.? ago|just now"
    r"|vor (?:\d+|einem|einer) (?:sekunden?|minuten?|stunden?|tag(?:en)?|wochen?|monat(?:en)?|jahr(?:en)?)"
    r"|il y a (?:\d+|une?) (?:secondes?|minutes?|heures?|jours?|semaines?|mois|ans?)"
    r"|hace (?:\d+|una?) (?:segundos?|minutos?|horas?|días?|semanas?|mes(?:es)?|años?)"
    r"|há (?:\d+|uma?) (?:segundos?|minutos?|horas?|dias?|semanas?|m[êe]s(?:es)?|anos?)"
    r"|(?:\d+|una?|un') ?(?:second[oi]|minut[oi]|or[ae]|giorn[oi]|settiman[ae]|mes[ei]|ann[oi]) fa"
    r"|(?:\d+|een) (?:minuten|minuut|uur|uren|dag(?:en)?|we(?:ek|ken)|maand(?:en)?|ja(?:ar|ren)) geleden"
    r"|(?:för )?\d+ (?:minuter|timmar|dagar|veckor|månader|år) sedan|for \d+ (?:minutter|timer|dager|dage|uker) siden"
    r"|\d+ (?:минут[уы]?|час(?:а|ов)?|дн(?:я|ей)|день|недел[иью]|месяц(?:а|ев)?) назад"
    r"|\d+ (?:minut[yę]?|godzin[yę]?|dni|tygodni[ea]?) temu|\d+ ?(?:秒|分钟|分|小时|時間|天|日|周|週間|个月|か月|年)前"
)
"""A time told from the reader's day, which only the page that shows it can mean."""
_DATE = (
    r"(?:(?:mon|tues?|wed(?:nes)?|thurs?|fri|sat(?:ur)?|sun)(?:day)?,? )?(?:(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"[a-z]*\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}|\d{1,2}(?:st|nd|rd|th)? [a-z]{3,9}\.?,? \d{4}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}"
    r"|\d{4}-\d{2}-\d{2})(?:[ ,at|-]*\d{1,2}[:.]\d{2}(?: ?[ap]\.?m\.?)?(?: [a-z]{2,4})?)?"
)
_STORIES = r"(?:stor(?:y|ies)|posts?|articles?|news|headlines?|reads?|reading|videos?|content|topics?|coverage|links?|items?|galleries|photos|podcasts?|episodes?|features?|reviews?|opinions?)"
_SITES = r"(?:facebook|twitter|linkedin|pinterest|reddit|whatsapp|e-?mail|print|tumblr|google ?\+|google plus|instagram|youtube|telegram|flipboard|messenger|snapchat|rss|copy link|share|tweet|pin|mix|pocket|digg|stumbleupon|tiktok|threads|bluesky)(?!\w)"

SIGNS = (
    _sign(
        "time ago",
        3.5,
        rf"^(?:[-·•|~ ]|updated:?|published:?|posted:?)*(?:{_AGO})(?: at \d{{1,2}}:\d\d(?: ?[ap]\.?m\.?)?)?[.,·•| ]*$",
        alone=True,
    ),
    _sign("time ago", 2.5, rf"(?:^|[^\w])\d+ {_UNIT} ago$"),
    _sign(
        "list of other stories",
        4.0,
        rf"^(?:[^\w\s]\s*)?(?:the |our |view |see |all |today's |this week's )*(?:recent|related|latest|popular|trending|featured|recommended|suggested|similar|"
        rf"top|other|more|previous|next|newer|older|must[- ]reads?|editor'?s'?|most[- ](?:read|popular|viewed|shared|commented|recent|watched|emailed))"
        rf"(?: (?:related|recent|latest|popular|top|great|news|on this|in this|of our|from our|picks?|tech|world|local|breaking|best))* ?{_STORIES}(?:$|:| (?:on|from|in|for|by|about|from around|you|for you)\b.{{0,40}}$)",
        r"^(?:the )?(?:most|more) (?:read|popular|viewed|shared|commented|recent|watched|emailed|discussed)(?: .{0,30})?$",
        r"^also (?:on|from|in|see|by)\b.{0,40}(?<![.?!:,])$",
        r"^see also:?$",
        r"^also read:?$",
        r"^trending(?: now| on .{1,30})?:?$",
        r"^(?:you (?:may|might|could|will|'ll)|things you (?:may|might)|readers|people|others|we think you|you would|you'll) (?:also |like |be |enjoy |want |find |read )+.{0,40}$",
        r"^(?:recommended|related|recent|popular|featured|sponsored|promoted|around the web|from (?:the|around the) web|from our (?:partners|network|sponsors|advertisers)|elsewhere on the web|editor[’']?s?[’']? (?:picks?|choice)|what to read next|read next|don[’']t miss|in case you missed it|related (?:topics|tags|links|companies|keywords)|explore more|read more(?: about)?|also read|in this (?:story|article))\s*:?$",
        r"^(?-i:M(?:ore|ORE)(?: [A-Z][\w.&]+){1,4})$",
        r"^(?-i:[-•·»>\[ ]{0,3}M(?:ore|ORE)) (?:from|on|in|about|by|like this|for you|to explore|great)\b.{0,60}(?<![.?!])$",
        r"^(?:today's|latest|top|breaking|our latest) (?:headlines|stories|news|picks|videos)\b.{0,40}$",
        r"^(?:das könnte (?:sie|dich|euch)|auch interessant|mehr zum thema|weitere (?:artikel|themen|beiträge|meldungen)|ähnliche (?:artikel|beiträge)|meistgelesen|lesen sie (?:auch|mehr)|mehr (?:aus|von|zu)|neueste beiträge|letzte beiträge|verwandte (?:artikel|themen)|zum thema|schlagw[oö]rte?r?)\b.{0,50}$",
        r"^(?:à lire aussi|lire aussi|sur le même (?:sujet|thème)|articles? (?:similaires|liés|récents|connexes)|les plus lus|vous aimerez aussi|a lire également)\b.{0,50}$",
        r"^(?:artículos? relacionados?|noticias relacionadas|lo más (?:leído|visto)|te puede interesar|también te puede|entradas recientes|más noticias|artigos relacionados|leia (?:também|mais)|mais lidas|veja também|articoli correlati|leggi anche|potrebbe interessarti|i più letti|lees ook|gerelateerd|meest gelezen|läs (?:också|även)|mest lästa|powiązane|czytaj (?:też|także)|читайте также|похожие|最新|関連記事|相关|вам (?:также )?(?:может|будет)|материалы по теме|теги|популярн\w+|рекоменд\w+|смотрите также)\b.{0,50}$",
        r"^(?:tags?|topics|filed under|categor(?:y|ies)|labels|keywords|posted in|schlagwörter|etiquetas|теги)\s?: ?\S.{0,300}$",
        r"^posted in .{1,80}$",
        r"\| ?permalink\b",
        rf"^\W*(?:next|previous)(?: \w+)? {_STORIES}\W*$",
    ),
    _sign(
        "pointer to another story",
        3.5,
        r"^(?![*+-])\W{0,3}(?:read|see|watch|view|listen|continue reading|check out)(?: (?:more|also|next|now|this|it|all|our))*(?: (?:about|on|here|from))?\s*[:»>→…|]",
        r"^(?:related|also read|also|more|see also|lesen sie auch|lire aussi|à lire aussi|lea también|leia também|leggi anche|lees ook|recommended|must read|don[’']t miss)\s*[:»|]\s*\S.{3,160}$",
        r"^(?:read more|read the full (?:story|article)|continue reading|see more|view all|load more|show more|more\.{3}|see all|show all|view (?:comments|gallery))\b[^.!?:]{0,60}[.…»→>]*$",
        r"^(?:read more|weiterlesen|mehr lesen|lire la suite|leer más|leia mais|leggi tutto|lees meer|saiba mais)\b[^.!?]{0,60}[.…»→>:]*$",
        r"^(?:learn|find out) more\b[^.!?:]{0,60}[»→>…]*$",
        alone=True,
    ),
    _sign(
        "advertisement",
        4.0,
        r"^\W*(?:advertise?ments?|advertisement(?: - .{0,30}| - story continues.{0,20})|ad|ads by .{1,20}|sponsored(?: content| by .{1,30}| post)?|promoted content|anzeige|werbung|publicité|publicidad|publicidade|pubblicità|advertentie|annons|реклама|広告)\W*$",
        r"^\W*(?:story|article|post) continues (?:below|after).{0,40}$",
        r"^(?:scroll|continue) (?:down )?(?:for|to|below|reading).{0,60}(?:advert|more|below).{0,30}$",
        r"^loading\b.{0,20}$",
        r"^(?:please )?enable javascript.{0,80}$",
        alone=True,
    ),
    _sign(
        "share bar",
        3.5,
        rf"^(?:(?:share|tweet|post|pin|send|email|print|follow|save)(?: (?:this|the|on|to|via|by|with|us|story|article|post|it|page|link|in|a|friend|your|friends|followers|full screen|window|new))*[ :,|/·•-]*)?(?:{_SITES}[ :,|/·•0-9-]*(?:(?:on|via|this|to|share|and) )*)+$",
        r"^(?:share|tweet|print|email|save) (?:this|on|it|via|with|the|to|by)\b[^.]{0,50}[:.!]?$",
        r"^(?:sharing is caring|spread the (?:word|love)|like this|like loading|share (?:your thoughts|on).{0,40})\W*(?:cancel reply)?$",
        r"^[\d,.]+[km]? ?(?:shares?|tweets?|likes?|views?|retweets?)$",
        r"^teilen\b.{0,30}$",
        r"^(?:partager|compartir|compartilhar|condividi|delen|dela)\b.{0,30}$",
        alone=True,
    ),
    _sign(
        "call to act",
        3.5,
        r"^.{1,50}\bnewsletters?$",
        r"^i (?:agree|consent|would like|want) (?:that|to|for)\b.{0,150}\b(?:newsletters?|e-?mails?|send me|contact me)\b",
        r"\b(?:our|these|this|site|see|read) (?:comment(?:ing|s)?|community) (?:policy|guidelines|standards|rules)\b(?!:)",
        r"\b(?:house rules|fellow commenters|other commenters)\b",
        r"\b(?:sign|signing) up (?:for|to|here|now|today|below|with)\b.{0,80}(?:newsletter|e-?mail|alert|inbox|updates|free|briefing|account|daily|weekly|news)",
        r"^(?:click|tap|press) (?:here|(?:on )?(?:the|this|our) (?:links?|images?|photos?|pictures?|videos?|buttons?|headlines?|titles?|player|map)|to (?:read|see|view|watch|listen|hear|share|enlarge|expand|play|subscribe|sign|tweet|print|follow|e-?mail|comment|open|join|donate|buy|shop))\b.{0,160}(?<!:)$",
        r"\bclick here (?:to|for)\b",
        r"^(?:subscribe|sign up|sign in|log ?in)\b.{0,50}$",
        r"^(?:subscribe|sign up|register|become a|support (?:us|our|the|independent)|donate)\b.{0,200}(?:newsletter|e-?mail|free|access|today|now|member|subscriber|journalism|podcast|channel|forums?|alerts?|community|inbox|updates)",
        r"^join (?:us|our|the)\b.{0,120}\b(?:newsletters?|forums?|community|channel|mailing list|facebook|twitter|instagram|telegram|whatsapp|members?|subscribers?)\b",
        r"^(?:please )?(?:follow|like|find|connect with|contact|friend|visit) (?:us|our|me)\b.{0,120}$",
        r"\bfollow (?:us|him|her|them|me|the author|@?\w+ ?\w+) (?:on|at|via)\b.{0,20}(?:twitter|facebook|instagram|@|linkedin|google)",
        r"\b(?:our|free|daily|weekly|the) (?:\w+ ){0,3}newsletters?\b.{0,60}(?:inbox|sign|subscrib|here|delivered)|(?:delivered|straight|sent|right) (?:direct(?:ly)? )?(?:in)?to your (?:inbox|e-?mail)",
        r"^(?:download|get|install) (?:the|our)\b.{0,60}\bapp\b.{0,80}$",
        r"\btry our (?:\w+ ){0,2}quiz\b",
        r"^(?:take|try) (?:our|the) (?:\w+ ){0,3}(?:quiz|poll|survey)\b",
        r"^(?:leave|post|add|write|view|see|show|hide|read|join)\b (?:a |your |the |all |us )?(?:\d+ )?(?:reply|comments?|conversation|discussion|review|response)s?\b.{0,60}$",
        r"^(?:have your say|join the (?:conversation|discussion|debate)|what do you think|let us know|tell us|share your (?:thoughts|views|opinion))\b.{0,120}(?:comments?|below|conversation|discussion|thoughts)\b.{0,40}$",
        r"^(?:have|got|do you have|want) (?:a |an |any |to )?(?:news |story |confidential )*(?:tip|tips|story|correction|question|feedback|something to say|suggestion)s?\b.{0,200}(?:e-?mail|contact|send|call|let us know|reach|@|tell us|write)",
        r"\b(?:get|start) (?:\w+ ){0,4}(?:access|subscription|trial)\b.{0,120}\b(?:subscri\w+|code|free|trial|month|year)\b",
        r"\bsubscribe to (?:our|the|my)\b",
        r"\b(?:promo|coupon|discount) code\b",
        r"\bletters? to the editor\b.{0,250}\b(?:send|e-?mail|write|publish\w*|hear|submit|address)\b|\b(?:send|e-?mail|write|publish\w*|submit) .{0,60}\bletters? to the editor\b",
        r"^thanks? (?:you )?for (?:signing up|subscribing|reading)",
        r"\b(?:you can )?unsubscribe (?:at any ?time|here)\b",
        r"^(?:e-?mail|name|website|site|password|username|your e-?mail.{0,30}|your name.{0,20}) ?\*?$",
        r"^(?:newsletter|abonnieren|anmelden|jetzt (?:abonnieren|anmelden|registrieren)|folgen sie|s'abonner|abonnez-vous|inscrivez-vous|suscríbete|regístrate|inscreva-se|assine|iscriviti|abonneer|schrijf je in|prenumerera|подпис)\b.{0,120}$",
        r"^(?:lascia un commento|laissez un commentaire|deixe uma resposta|deja un comentario|schreibe einen kommentar|kommentar(?:e|ieren)?)\b.{0,60}$",
        alone=True,
    ),
    _sign(
        "call to act",
        1.5,
        r"^(?:register|join|buy|shop|order|visit|explore|discover|try|get|start|enter|check)\b.{0,50}(?<![.?!:,])$",
    ),
    _sign(
        "notice",
        3.5,
        r"^.{0,40}(?:©|ⓒ|\(c\) ?(?:19|20)\d\d|copyright (?:©|\(c\)|(?:19|20)\d\d|by\b))",
        r"\ball rights reserved\b",
        r"^first published\b.{0,60}$",
        r"\balle rechte vorbehalten\b",
        r"\btous droits réservés\b",
        r"\b(?:todos los derechos reservados|todos os direitos reservados|tutti i diritti riservati)\b",
        r"\bsubject to copyright\b",
        r"^citation ?: .{1,250}\bretrieved \d",
        r"\b(?:may|must|can)(?: ?not)? be (?:published, broadcast|reproduced|republished|rewritten)",
        r"\b(?:no part of this|without (?:the )?(?:prior |express )*(?:written )?permission)\b",
        r"\brepublish(?:ed)? (?:with|under|here)\b",
        r"\b(?:we|site|website|page|sites) (?:\w+ ){0,3}uses? (?:\w+ ){0,3}cookies?\b",
        r"\buse of (?:our )?cookies\b",
        r"^(?:manage |your |accept |about )*cookies? (?:policy|settings|preferences|notice|consent)",
        r"\b(?:utilizz|utiliz|utilis|verwende|gebruik|använde)\w* .{0,20}cookies?\b",
        r"\bcookies? (?:zu|um|pour|para|per|om)\b",
        r"^(?:(?:our |the |your |read |site |web ?site |full )*(?:privacy|terms(?: and conditions| of (?:use|service|sale)| & conditions)?|legal|disclaimer|accessibility|imprint|impressum|datenschutz|mentions légales|aviso legal)(?:[ ,|&/·-]+(?:policy|policies|notice|statement|of (?:use|service|sale)|and|conditions?|center|rights|choices|privacy|terms|service|use|california|your)\.?)*[ |·]*)+(?:\|.{0,60})?$",
        r"\b(?:you )?agree(?:ing)? to (?:our|the|receive|these|be|\w+['’]s)\b.{0,80}(?:terms|privacy|policy|e-?mail|communications|conditions|newsletter|use of)",
        r"\bread our (?:privacy|terms|cookie|full)",
        r"\bprivacy policy\b.{0,60}\b(?:terms|apply)\b",
        r"\b(?:affiliate (?:links?|partner\w*|commission)|(?:earn|receive|get)s? (?:an? )?(?:small |affiliate )*commission)\b",
        r"\bthis site (?:uses akismet|is protected by recaptcha)",
        r"^(?:proudly )?(?:powered by|hosted by|designed by|theme by|built with)\b.{1,40}$",
        r"^(?:your (?:e-?mail|e-?mail address) will (?:not|never) be (?:published|shared)|required fields are marked|o seu endereço de e-mail|comments? (?:are|is|on this|may be|posted) (?:now )?(?:closed|moderated|off|subject).{0,80})",
        r"^(?:the )?(?:views|opinions) (?:and opinions )?expressed (?:here|in|by|are|herein|on)\b.{0,200}$",
        r"\b(?:is|are) (?:a |an |the )?(?:registered )?trademarks? of\b",
        r"\bnot responsible for the content\b",
        r"\bquotes (?:are |in real|delayed)\b.{0,60}delayed",
        r"\bis part of (?:the )?\w+(?: \w+){0,3} (?:network|inc\.?|group|plc|llc)\b.{0,120}$",
    ),
    _sign(
        "where it was published",  # opens a tail only where much follows: by itself it belongs to the article
        2.9,
        r"^(?:this (?:article|story|post|piece|column|essay|op-ed) (?:was|is|has been|originally|first) ?(?:originally |first |also |been |re)*(?:published|appeared|posted|produced|provided|syndicated|part of)\b.{0,200})$",
        r"^(?:originally published|this article originally)\b.{0,120}$",
    ),
    _sign(
        "author",
        3.5,
        r"^about (?:the )?(?:authors?|writers?|me|us|the contributor)\b\W*$",
        r"^(?:über den autor|à propos de l'auteur|sobre el autor|sobre o autor|l'autore)\b.{0,40}$",
        r"^(?:NAME ){1,3}NAME,? (?:\([^)]{1,60}\) )?(?:is|was|has been) (?:an? |the |our |also )+(?:[\w,&/’'-]+ ){0,9}(?:writer|reporter|journalist|editor|editor-in-chief|contributor|freelancer|blogger|columnist|correspondent|staffer|producer|intern|critic)\b.{0,500}$",
        r"^(?:NAME ){1,3}NAME (?:covers|writes (?:about|for|on)|reports (?:on|for)|blogs (?:at|about)|has (?:written|reported|covered|been (?:writing|covering|reporting)))\b.{0,300}$",
        r"^(?:e-?mail|contact|reach|write to|follow|view all posts by|see all posts by|more by|posts by|articles by|all posts by)(?: the)?(?: (?:authors?|writers?|reporters?|him|her|them|me|NAME)){1,4}\b.{0,90}$",
        r"\b(?:can be (?:reached|contacted|followed|found) (?:at|on|by|via)\b.{0,60}(?:@|e-?mail|twitter|facebook|linkedin|instagram)|on twitter (?:at )?@|twitter: ?@|follow @)",
        r"^[\w.+-]+@[\w-]+\.[\w.]{2,12}(?: @\w+)?$",
        r"^@\w{2,30}$",
        r"^\W{0,2}(?:additional )?(?:reporting|writing|editing|compiled|edited|translated|produced)(?: and (?:writing|editing))? by\b.{0,250}$",
        r"^\W{0,2}(?:NAME ){1,4}contributed (?:to this|reporting).{0,60}$",
        r"^the associated press contributed.{0,60}$",
        r"^.{3,300} contributed (?:to this (?:report|story|article|post|piece)|reporting)\W*$",
    ),
    _sign("list of topics", 2.5, r"^(?:hot topics|newsletters?|archives?|categories|tags?|topics|filed under)\s*:?$"),
    _sign(
        "comment",
        2.0,
        rf"^.{{1,40}} (?:on {_DATE} ?)?(?:says|said|wrote|commented)(?: on {_DATE})?:$",
        rf"^.{{1,40}} on {_DATE}$",
    ),
    _sign("byline", 1.5, rf"^(?:by|von|par|por|di|door|av) (?:NAME[ ,|]*){{1,6}}(?:{_DATE})?$"),
    _sign(
        "date alone",
        2.0,
        rf"^(?:(?:posted|published|updated|last modified|created|on|by|at|[ |:·•,-])*{_DATE}\W*){{1,2}}$",
    ),
    _sign(
        "counter or control",
        2.5,
        r"^(?:\(?\d[\d,.]*\)? (?:comments?|replies|reply|responses?|votes?|reviews?)|comments?(?: ?\(\d+\)|: ?\d+| \d+)?|no comments?(?: yet)?.{0,30}|\d+ min(?:ute)?s? (?:read|watch)|(?:next|prev(?:ious)?|back|newer|older)(?: (?:post|story|article|page|entry|to top))*\W*|[«←‹].{1,160}|.{1,160}[»→›]|play(?: video)?|mute|close|menu|search(?: (?:in|for)\b.{0,20})?|exact matches only|word ?count:? \d+|home|help|contact(?: us)?|about(?: us)?|careers|jobs|advertise(?: with us)?|subscribe|sitemap|site map|faq|reply|report|edit|print|cancel(?: reply)?|sources?|image \d+ of \d+|(?:watch|play|video|photos?|gallery|slideshow|live)(?: now)?|back to top\W*|top\W*|settings|feedback|tweet|follow|archives?|newsletters?|skip to .{1,30}|view (?:profile|all|more|bio).{0,30})$",
    ),
)
"""In the order in which reasons are preferred where two weigh the same."""

TRIGGERS = frozenset(
    re.findall(
        r"\w+",
        "sign signing subscribe newsletter newsletters inbox mail email click follow twitter facebook "
        "instagram copyright rights reserved cookie cookies privacy permission commission affiliate recaptcha "
        "akismet trademark trademarks subsidiary unsubscribe published republished reproduced rewritten "
        "redistributed expressed writer reporter journalist editor contributor freelancer blogger columnist "
        "correspondent staffer producer intern critic covers writes reports blogs contributed reporting "
        "writing editing compiled edited translated reached contacted tip tips correction donate member "
        "journalism podcast app quiz comments conversation below moderated code subscription trial thoughts "
        "javascript commenters commenting community send contact house agree ",
    )
)
"""Words without one of which no sign fits a paragraph of sentences: most of a body is passed over by them."""
