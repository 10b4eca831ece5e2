"""Pages that show something else in place of their article: what they ask for, told by what they say."""

from __future__ import annotations

import re

LONGEST = 1_200
"""Characters of a page's text from which on it is an article, whatever it says."""
_REMEDY = "save the page from a browser that shows the article, or save its text in a file"
_WALLS = (
    (
        "it asks for JavaScript",
        r"(?:enable|turn on|activate|requires?|need|without|supports?) ?(?:the )?java ?script"
        r"|java ?script (?:is|to be|must be|seems|ist|est|está|moet)\b.{0,60}"
        r"(?:disabled|required|enabled|needed|deaktiviert|aktivier|benötigt|désactivé|requis|desactivado|ingeschakeld)"
        r"|aktivieren sie (?:bitte )?java ?script|active[rz]? java ?script|habilit[ae]r? java ?script",
    ),
    (
        "it asks whether you are a person",
        r"(?:verify|confirm|prove) (?:that )?(?:you are|you're) (?:a )?(?:human|not a robot|person)"
        r"|are you a (?:human|robot)|checking your browser|unusual traffic|complete the (?:captcha|security check)"
        r"|\bcaptcha\b|ddos protection by|just a moment\.\.\.|pardon our interruption",
    ),
    (
        "it refuses access",
        r"^\W*(?:\d{3} )?(?:access (?:to this (?:page|site) (?:has been |is )?)?denied|forbidden|unauthorized)"
        r"|you don't have permission to access|not available in your (?:country|region)"
        r"|unavailable (?:due to|for) legal reasons|\b(?:http )?451\b.{0,30}legal",
    ),
    (
        "it is for subscribers",
        r"(?:subscribe|subscription|sign up|register|become a member).{0,40}to "
        r"(?:continue|keep|read|access|unlock|finish)"
        r"|(?:to (?:continue|keep) reading|to read (?:the (?:full|rest)|this)|to unlock).{0,80}"
        r"(?:subscribe|subscription|sign (?:in|up)|log ?in|register|member|account)"
        r"|(?:already|noch kein|déjà|ya eres) (?:a )?(?:subscriber|member|abonnent|abonné|suscriptor)"
        r"|(?:article|content|story) is (?:only )?(?:for|reserved for|available (?:only )?to|exclusive to) (?:our )?"
        r"(?:subscribers|members)|réservé aux abonnés|nur für abonnenten|weiterlesen mit|solo para suscriptores",
    ),
    (
        "it asks to log in",
        r"(?:you must|you need to|please|bitte) (?:be )?(?:log(?:ged)? ?in|sign(?:ed)? ?in|anmelden|einloggen)"
        r"|(?:log|sign) ?in to (?:continue|view|see|access|read|your account)|forgot(?:ten)? (?:your )?password",
    ),
    (
        "it asks about cookies",
        r"(?:accept|agree to|consent to|manage|allow|use) .{0,40}cookies?"
        r"|cookies? (?:settings|policy|preferences|consent)"
        r"|we (?:and our (?:\d+ )?partners )?(?:value your privacy|use cookies|store and/or access)"
        r"|(?:akzeptieren|zustimmen).{0,60}cookies|cookies.{0,60}(?:akzeptieren|zustimmen|accepter|aceptar)",
    ),
)
_SIGNS = tuple((what, re.compile(signs, re.IGNORECASE)) for what, signs in _WALLS)
_SENTENCE = re.compile(r"[^.!?\n。！？]{30,}[.!?。！？]")


def wall(text: str) -> str:
    """Why a text of a page is no article, as a reason with the remedy; ``""`` where it may be one.

    Of a text with few sentences, half or more say what stands between the reader and the article.
    """
    text = " ".join(text.split())
    if len(text) > LONGEST:
        return ""
    for what, signs in _SIGNS:
        if not signs.search(text):
            continue
        sentences = _SENTENCE.findall(text)
        asked = sum(any(sign.search(sentence) for _, sign in _SIGNS) for sentence in sentences)
        if 2 * asked >= len(sentences):
            return f"no article found in this page: {what}; {_REMEDY}"
    return ""
