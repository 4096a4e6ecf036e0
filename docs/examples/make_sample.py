"""Writes the sample exports beside this file, always the same bytes: python make_sample.py [FOLDER]

The chats are made up. Their scenes stand in `stories/`; how they are told is in its storyteller.
"""

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from stories.dice import Dice
from stories.renderers import Android, Iphone
from stories.storyteller import Chapter, Line, Person, Writer, read_scenes, tell

HERE = Path(__file__).parent
STORIES = HERE / "stories"


def anna_and_ben() -> str:
    """Two people, fourteen months: bread, lighthouses, one autumn, nine days of silence, a key."""
    people = {
        "A": Person("Anna", "😂🌻🥲💛✨🫠😂💛", 0.27, ANNA_LAUGHS, False, split_rate=0.5, typo_rate=0.02),
        "B": Person(
            "Ben", "👍🙃🍞🫡😅🍞", 0.10, ("Ha", "Ha!", "lol", "Haha", "Ha. Ha"), True, edit_rate=0.015
        ),
    }
    usual = {"morning": 0.75, "work": 0.55, "lunch": 0.45, "evening": 1.45, "night": 0.58}
    tired = {"morning": 0.45, "work": 0.15, "lunch": 0.15, "evening": 0.95, "night": 0.3}
    sea = {"morning": 0.2, "evening": 1.6}
    chapters = [
        Chapter(date(2024, 3, 1), date(2024, 5, 10), "early", usual, 0.15, {"A": 3.5, "B": 5.0}),
        Chapter(date(2024, 5, 11), date(2024, 8, 9), "summer", usual, 0.06, {"A": 2.2, "B": 3.0}),
        Chapter(date(2024, 8, 10), date(2024, 8, 21), "holiday", sea, 0.1, {"A": 6.0, "B": 6.0}),
        Chapter(date(2024, 8, 22), date(2024, 9, 30), "summer", usual, 0.06, {"A": 2.5, "B": 4.0}),
        Chapter(date(2024, 10, 1), date(2024, 11, 17), "autumn", tired, 0.08, {"A": 5.0, "B": 34.0}),
        Chapter(date(2024, 11, 27), date(2025, 2, 13), "winter", usual, 0.0, {"A": 2.5, "B": 3.0}),
        Chapter(date(2025, 2, 14), date(2025, 4, 29), "spring", usual, 0.0, {"A": 2.0, "B": 2.5}),
    ]
    return _export("anna_and_ben", people, chapters, 20240301, Android().render)


def the_flat_share() -> str:
    """Five people, half a year: a boiler, a mouse, a moka pot."""
    people = {
        "Mia": Person("Mia", "🙏🌿😅", 0.15, ("haha", "hahaha", "I cannot"), False, edit_rate=0.02),
        "Priya": Person("Priya", "📊🙂", 0.12, ("Ha.", "Hahaha"), True, edit_rate=0.02),
        "Tom": Person("Tom", "💪🥬😬", 0.2, ("LOL", "hahah"), False, split_rate=0.3, typo_rate=0.03),
        "Luca": Person("Luca", "😤🤌🍝", 0.3, ("ahahah", "ahahahah", "no vabbè ahah"), False),
        "Jonas": Person("Jonas", "👍😴", 0.2, ("lol", "haha what"), False),
    }
    pace = {"Mia": 3.0, "Priya": 2.0, "Tom": 4.0, "Luca": 3.0, "Jonas": 25.0}
    often = {"morning": 0.2, "day": 0.68, "evening": 0.7, "night": 0.16}
    chapters = [Chapter(date(2024, 10, 5), date(2025, 3, 29), "any", often, 0.25, pace)]
    return _export("the_flat_share", people, chapters, 5, Iphone().render)


def too_short() -> str:
    """Two lines by one person: too little to say anything about."""
    return "02/03/2025, 10:14 - Mara: hello?\n02/03/2025, 10:15 - Mara: wrong number, sorry!\n"


ANNA_LAUGHS = (
    "hahaha",
    "hahahaha",
    "hahahahaha 😂",
    "HAHA",
    "hahaha I am crying",
    "haha",
    "hahahaha stop",
    "😂😂😂",
)


def _export(
    name: str, people: dict[str, Person], chapters: list[Chapter], seed: int, render: Callable[[Line], str]
) -> str:
    dice = Dice(seed)
    choices, scenes = read_scenes(STORIES / f"{name}.scenes")
    _, story = read_scenes(STORIES / f"{name}.story")
    writer = Writer(choices, people, dice)
    return "".join(map(render, tell(scenes, story, chapters, writer, dice)))


SAMPLES: dict[str, Callable[[], str]] = {
    "anna-and-ben.txt": anna_and_ben,
    "the-flat-share.txt": the_flat_share,
    "too-short.txt": too_short,
}


def main(folder: Path) -> None:
    """Writes all samples into a folder."""
    for file_name, make in SAMPLES.items():
        (folder / file_name).write_bytes(make().encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
