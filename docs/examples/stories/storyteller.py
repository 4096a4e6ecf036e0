"""Makes chats of scenes.

The scenes stand in text files, in a small language:

    # a comment
    @ name            the next lines are its choices, "|" between them; {name} is one of them
    % evening any     a scene: when in the day, and in which chapter of the story (or any);
                      it is played four times at most, with * as often as there is time, and
                      with "weekend" not on a weekday
    A: text           somebody says it; X, Y, Z and W are different people in each scene
    A? text           somebody may say it
                      after "a question => [this~that]", {reply} is what fits the question
    [this~that]       one of them; {X} and {X!} are the name of X, quietly and loudly
    text ⏎ text       two lines of one message
    !img !ptt !stk !gone !laugh    a picture (a caption may follow), a voice note, a sticker, a
                                   message that was deleted, a laugh as this person laughs
    !missed           on a line of its own: something that nobody says

A story file holds scenes that happen once: `% 2024-03-01 19:42`. Only `random.random()` is used,
which Python promises to keep stable for a seed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path

from stories.dice import Deck, Dice

SLOT_HOURS = {
    "morning": (6.9, 8.8),
    "work": (9.3, 17.2),
    "day": (10.0, 17.5),
    "lunch": (12.0, 13.2),
    "evening": (18.1, 22.2),
    "night": (22.8, 24.7),
}
MAYBE = 0.55
MAX_TIMES_PLAYED = 4
SPEECH = re.compile(r"(\w+)([:?]) (.*)")
SLOT = re.compile(r"\{(\w+)(!?)\}|\[([^\[\]]*)\]")


@dataclass
class Scene:
    """A few lines that belong together."""

    tags: list[str]
    lines: list[str] = field(default_factory=list)
    times_played: int = 0

    @property
    def worn_out(self) -> bool:
        """Whether once more would be once too often."""
        return "*" not in self.tags and self.times_played >= MAX_TIMES_PLAYED


@dataclass(frozen=True)
class Person:
    """Somebody's habits: probabilities between 0 and 1."""

    name: str
    emoji: str
    emoji_rate: float
    laughs: tuple[str, ...]
    capital: bool
    split_rate: float = 0.0
    typo_rate: float = 0.0
    edit_rate: float = 0.0


@dataclass(frozen=True)
class Chapter:
    """A stretch of time with its own pace: scenes a day by slot, minutes until an answer by name."""

    first: date
    last: date
    tag: str
    scenes: dict[str, float]
    quiet_days: float
    minutes: dict[str, float]


@dataclass(frozen=True)
class Line:
    """One message, its text or what stands for it; without a name, what nobody says."""

    moment: datetime
    name: str
    what: str


def read_scenes(path: Path) -> tuple[dict[str, list[str]], list[Scene]]:
    """The choices and the scenes of a file."""
    choices: dict[str, list[str]] = {}
    scenes: list[Scene] = []
    into: list[str] = []
    in_scene = False
    for raw in path.read_text(encoding="utf-8").splitlines():
        line = raw.strip()
        if line.startswith(("@", "%")):
            in_scene = line.startswith("%")
        if line.startswith("@"):
            into = choices.setdefault(line[1:].strip(), [])
        elif line.startswith("%"):
            scenes.append(Scene(line[1:].split()))
            into = scenes[-1].lines
        elif line and not line.startswith("#"):
            into.extend([line] if in_scene else line.split(" | "))
    return choices, scenes


class Writer:
    """Lets people speak."""

    def __init__(self, choices: dict[str, list[str]], people: dict[str, Person], dice: Dice) -> None:
        self._choices, self._people, self._dice = choices, people, dice
        self._decks = {name: Deck(len(listed), dice) for name, listed in choices.items()}
        self._reply = ""
        self._laughs = {key: Deck(len(person.laughs), dice) for key, person in people.items()}

    def play(self, scene: Scene, start: datetime, minutes: dict[str, float]) -> Iterator[Line]:
        """The lines of a scene, from its start; the minutes until somebody answers are means."""
        roles = self._roles(scene)
        moment, last = start, ""
        for raw in scene.lines:
            speech = SPEECH.fullmatch(raw)
            if speech is None:
                yield Line(moment, "", raw)
                continue
            key = roles.get(speech[1], speech[1])
            if speech[2] == "?" and not self._dice.chance(MAYBE):
                continue
            for text in self._said(key, self._filled(speech[3], roles)):
                if last:
                    moment += self._pause(key == last, minutes[key])
                last = key
                yield Line(moment, self._people[key].name, text)

    def _pause(self, goes_on: bool, mean_minutes: float) -> timedelta:
        seconds = 4 + self._dice.waiting(14) if goes_on else 6 + 60 * self._dice.waiting(mean_minutes)
        return timedelta(seconds=int(seconds))

    def _roles(self, scene: Scene) -> dict[str, str]:
        """Who is X, Y, Z and W: nobody that the scene names, where there are more than two."""
        named = {line.partition(":")[0].partition("?")[0] for line in scene.lines}
        keys = [key for key in self._people if key not in named or len(self._people) == 2]
        return {role: keys[at] for role, at in zip("XYZW", self._dice.shuffled(len(keys)), strict=False)}

    def _filled(self, text: str, roles: dict[str, str]) -> str:
        def choice(slot: re.Match[str]) -> str:
            name, loud, inline = slot.groups()
            if inline is not None:
                listed = inline.split("~")
                return self._filled(listed[self._dice.index(len(listed))], roles)
            if name in roles:
                called = self._people[roles[name]].name
                return called.upper() if loud else called
            if name == "reply":
                return self._filled(self._reply, roles)
            text, _, self._reply = self._choices[name][self._decks[name].deal()].partition(" => ")
            return self._filled(text, roles)

        return SLOT.sub(choice, text)

    def _said(self, key: str, text: str) -> list[str]:
        """What becomes of a text in this person's hands: one message or two."""
        person, dice = self._people[key], self._dice
        if text == "!laugh":
            return [person.laughs[self._laughs[key].deal()]]
        if text.startswith(("!", "http")):
            return [text]
        text = text.replace("⏎", "\n")
        first = text.partition(" ")[0].strip(",.!?")
        if not (first == "I" or first.isupper()):
            text = (text[0].upper() if person.capital else text[0].lower()) + text[1:]
        parts = [text]
        if ". " in text and "\n" not in text and dice.chance(person.split_rate):
            parts = text.split(". ", 1)
        if dice.chance(person.emoji_rate):
            emoji = person.emoji[dice.index(len(person.emoji))]
            parts[-1] += f" {emoji}" if parts[-1].isascii() else ""
        if dice.chance(person.edit_rate):
            parts[-1] += "!edited"
        correction = self._correction(parts, person)
        return parts + correction

    def _correction(self, parts: list[str], person: Person) -> list[str]:
        """Sometimes two letters change places, and the right word follows."""
        words = [word for word in parts[0].split() if word.isalpha() and len(word) > 5 and word.islower()]
        if not words or not self._dice.chance(person.typo_rate):
            return []
        word = words[self._dice.index(len(words))]
        at = 1 + self._dice.index(len(word) - 3)
        wrong = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        parts[0] = parts[0].replace(word, wrong, 1)
        return [f"*{word}"] if wrong != word else []


def tell(
    scenes: list[Scene], story: list[Scene], chapters: list[Chapter], writer: Writer, dice: Dice
) -> Iterator[Line]:
    """The whole chat: what happens once, and the days between. Nobody speaks before the story begins."""
    planned = [(datetime.fromisoformat(" ".join(scene.tags)), scene) for scene in story]
    fixed = sorted(moment for moment, _ in planned)
    for chapter in chapters:
        planned += _everyday(chapter, scenes, fixed, dice)
    free = fixed[0]
    for moment, scene in sorted(planned, key=lambda entry: entry[0]):
        start = moment if moment in fixed else max(moment, free + timedelta(minutes=6 + dice.waiting(15)))
        crowded = any(start < time < start + timedelta(hours=1) for time in fixed)
        if moment < fixed[0] or crowded or start - moment > timedelta(hours=2):
            continue
        chapter = next(chapter for chapter in chapters if chapter.first <= moment.date() <= chapter.last)
        for line in writer.play(scene, max(start, free), _pace(chapter, moment, moment in fixed)):
            free = line.moment
            yield line


def _fits(scene: Scene, chapter: str) -> bool:
    named = set(scene.tags) - set(SLOT_HOURS) - {"weekend", "any", "*"}
    return not named or chapter in named


def _pace(chapter: Chapter, moment: datetime, fixed: bool) -> dict[str, float]:
    """Answers take longer at work and come at once at night; what matters is answered soon."""
    working = moment.weekday() < 5 and 9 <= moment.hour < 17
    factor = 0.4 if moment.hour >= 22 or moment.hour < 2 else 4.0 if working else 1.0
    return {key: 1.1 if fixed else mean * factor for key, mean in chapter.minutes.items()}


def _everyday(
    chapter: Chapter, scenes: list[Scene], fixed: list[datetime], dice: Dice
) -> Iterator[tuple[datetime, Scene]]:
    """When on the days of a chapter which scene is played, away from what happens once."""
    listed = {slot: [scene for scene in scenes if slot in scene.tags] for slot in chapter.scenes}
    listed = {
        slot: [scene for scene in fitting if _fits(scene, chapter.tag)] for slot, fitting in listed.items()
    }
    decks = {slot: Deck(len(fitting), dice) for slot, fitting in listed.items()}
    for offset in range((chapter.last - chapter.first).days + 1):
        day = chapter.first + timedelta(days=offset)
        weekend = day.weekday() >= 5
        if dice.chance(chapter.quiet_days):
            continue
        for slot, expected in chapter.scenes.items():
            for _ in range(dice.count(expected * (0.2 if weekend and slot == "work" else 1.0))):
                moment = _moment(day, slot, weekend, dice)
                if any(abs(moment - time) < timedelta(hours=3) for time in fixed):
                    continue
                scene = _dealt(listed[slot], decks[slot], weekend)
                scene.times_played += 1
                yield moment, scene


def _moment(day: date, slot: str, weekend: bool, dice: Dice) -> datetime:
    hour = dice.between(*SLOT_HOURS[slot]) + (1.7 if weekend and slot == "morning" else 0.0)
    return datetime.combine(day, time()) + timedelta(seconds=int(hour * 3600))


def _dealt(listed: list[Scene], deck: Deck, weekend: bool) -> Scene:
    """The next scene that still may be played; there is one, as each slot has some that always may."""
    while True:
        scene = listed[deck.deal()]
        if not scene.worn_out and (weekend or "weekend" not in scene.tags):
            return scene
