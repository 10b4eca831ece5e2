"""Articles that papers took from one another, made up."""

import random

from searchidx import Document

PAPERS = ["Post", "Times", "Herald", "Courier", "Echo", "Globe", "Mail", "Star", "Sun", "Tribune"]
QUERY = "harbour crane strike union wharf"
TOPICS = {
    "port": "harbour crane cargo ship tide pilot dock container strike union wharf customs freight tug anchor quay",
    "wheat": "harvest wheat field farmer grain silo price drought export mill flour seed combine barn rain soil",
    "moon": "lunar probe orbit crater launch rocket crew module landing signal antenna engine fuel dust rock suit",
}


def story(topic, seed=0, words=400):
    """Sentences about a topic that no other seed gives."""
    rng = random.Random(f"{topic}{seed}")
    nouns = TOPICS[topic].split()
    made = []
    while len(made) < words:
        one = [
            rng.choice(nouns) if rng.random() < 0.4 else f"w{rng.randrange(3000)}" for _ in range(rng.randrange(8, 20))
        ]
        made += [*one[:-1], one[-1] + "."]
    return " ".join(made)


def wire(papers, topic="port", seed=0, **fields):
    """The same story in several papers."""
    text = story(topic, seed)
    return [
        Document(
            f"{topic}{seed}-{paper}", f"{paper} reports. {text}", title=f"{topic} in {paper}", source=paper, **fields
        )
        for paper in papers
    ]
