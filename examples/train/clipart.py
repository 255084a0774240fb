# SPDX-License-Identifier: MIT
"""OpenClipart: what its pictures show, as far as titles, keywords and file names tell."""

import collections
import html
import os
import re

from captions import captions, clean, read_table
from pictures import draw_svg, files_below, open_picture

# Stars by the thousand, icons of actions, patterns, diagrams: no name tells one from another.
SKIPPED = re.compile(
    r"shapes/(stars|flowchart)|special/|computer/(buttons|diagrams)|computer/icons/(flat|lemon|etiq"
    r"|plastik|\d)|food/menu|signs_and_symbols/led|recreation/games/cards/cardbacks|logos")

# What their pictures are examples of, from narrow to wide.
CLASSES = read_table("""
    animals/birds: bird, animal
    animals/bugs: insect, animal
    animals/dinosaurs: dinosaur, animal
    animals/fantasy: fantasy animal
    animals/fish: fish, sea animal, animal
    animals/mammals/bears: bear, mammal
    animals/mammals/big_cats: big cat, mammal, animal
    animals/mammals/dogs: dog, mammal, animal
    animals/mammals/horses: horse, mammal, animal
    animals/mammals/housecats: cat, mammal, animal
    animals/mammals: mammal, animal
    animals: animal
    buildings/furniture: furniture
    buildings/homes: house, building
    buildings: building
    computer/hardware: computer hardware, computer device
    computer: computer
    containers: container
    decorations: decoration
    education/books: book
    electronics/bulb: light bulb, lamp
    electronics: electronic device
    food/beverages: drink, food & drink
    food/breads_and_carbs: food, food & drink
    food/dairy: food
    food/desserts: dessert, food, food & drink
    food/fruit: fruit, food, food & drink
    food/meats_and_eggs: meat, food, food & drink
    food/vegetables: vegetable, food, food & drink
    food: food, food & drink
    geography/astronomy: planet, space
    geography: map
    office/telephone: telephone
    office: office supplies, object
    people/bodypart: body part
    people/clothing/hats: hat, piece of clothing
    people/clothing: piece of clothing
    people/smilies: smiley, face
    people/stickmen: stick man
    people: person
    plants/flowers: flower, plant
    plants/trees: tree, plant
    plants: plant
    recreation/games/cards: playing card, game
    recreation/games/chess: chess piece, game
    recreation/games: game
    recreation/holiday: celebration
    recreation/party: party
    recreation/music: musical instrument, music
    recreation/religion: religious symbol
    recreation/sports: sport
    recreation/toys: toy
    science/astronomy: planet, space
    science: science
    shapes/arrows: arrow
    shapes/callouts: speech bubble
    shapes/jigsaw: puzzle piece
    shapes: shape
    signs_and_symbols/clocks: clock
    signs_and_symbols/flags: flag
    signs_and_symbols/map_symbols: map symbol, sign
    signs_and_symbols/money: money, coin
    signs_and_symbols/weather: weather
    signs_and_symbols: sign, symbol
    tools/weapons: weapon
    tools: tool
    transportation/boating: boat, vehicle
    transportation/roadsigns: road sign, sign
    transportation: vehicle
""")

# Keywords that say nothing of what is to be seen, or no more than the folder does.
IDLE = set("""symbol symbols sign signs icon icons shape shapes unsorted mapsym special map caution
    security warning appicon application theme work menu action mimetype webpage networksym
    equipment example template transport transportation object objects color colour clipart hash
    geometry festive recreation containers decoration office tools commercial places simple
    openclipart cartoon desktop people foods desserts animals plants cards education geography
    astronomy music party holiday diagrams hardware flags face silhouette various""".split())
IDLE |= {"signs and symbols", "map symbol", "clip art", "united nations member", "road sign"}
# Classes that are no caption by themselves.
WIDE = {"computer", "computer hardware", "sign", "science", "shape", "decoration", "tool", "map",
        "office supplies", "electronic device", "container", "map symbol", "game"}
VAGUE = IDLE | {"back", "quit", "", "flag of", "flag"}
SUITS = {"s": "spades", "h": "hearts", "d": "diamonds", "c": "clubs"}
RANKS = dict(zip("a 2 3 4 5 6 7 8 9 10 j k q".split(),
                 """ace two three four five six seven eight nine ten jack king queen""".split()))
SERIES = r"nicu buculei|flat icon|svg theme|boating rules|aiga_symbol|-aj$|\.svg$"
STYLES = (r"\b(b and w|b&w|bn|bw|black and white|rpg map elem\w*|hotel icon|body part|clothing"
          r"|clip ?art)\b|[()]|,? ?v?\d+(\.\d+)*$")
Entry = collections.namedtuple("Entry", "path svg place title keywords creator description")


def read_metadata(path):
    """Title, keywords, creator and description of an SVG; None where it is not dedicated."""
    if not os.path.exists(path):
        return "", [], "", ""
    with open(path, encoding="utf-8", errors="replace") as file:
        block = re.search(r"<rdf:RDF.*?</rdf:RDF>", file.read(), re.S)
    block = block[0] if block else ""
    if re.search("licenses/(GPL|by)", block):
        return None
    creator = re.search(r"<dc:creator>.*?<dc:title>([^<]*)", block, re.S)
    # The creator's name stands in a title of its own.
    work = re.sub(r"<dc:(creator|rights|publisher)>.*?</dc:\1>", "", block, flags=re.S)

    def field(name):
        found = re.search(rf"<dc:{name}[^>]*>([^<]*)<", work)
        return html.unescape(found[1]).strip() if found else ""

    keywords = [clean(word) for word in re.findall(r"<rdf:li[^>]*>([^<]*)</rdf:li>", block)]
    return field("title"), keywords, creator[1].lower() if creator else "", field("description")


def read_entries(data):
    pictures = f"{data}/openclipart-png/usr/share/openclipart/png"
    for path in files_below(pictures, ".png"):
        place = os.path.relpath(path, pictures)
        svg = f"{data}/openclipart-svg/usr/share/openclipart/svg/{place[:-4]}.svg"
        if not SKIPPED.match(place):
            metadata = read_metadata(svg)
            if metadata:
                yield Entry(path, svg, place, *metadata)


def words_of_file(entry):
    """The file's name without numbers, marks of style, and what there is of its creator's name."""
    stem = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", os.path.basename(entry.path)[:-4])
    creator = re.findall("[a-z]+", entry.creator)
    drop = {"aiga", "bw", "bwh", "md", "ganson", "aj", "nicu", "symbol", "jean",
            "simple", "contour", "mo", "bb", "svg"}
    words = [word for word in re.findall("[a-z]+", stem.lower()) if len(word) > 1]
    return [word for word in words if word not in drop and not any(
        name.startswith(word) or word.startswith(name) for name in creator if len(name) > 2)]


def classes_of(entry):
    folder = os.path.dirname(entry.place)
    while folder and folder not in CLASSES:
        folder = os.path.dirname(folder)
    return CLASSES.get(folder, [])


class Namer:
    """Chooses among what is written about a picture."""

    def __init__(self, data, entries):
        self.words = set()
        path = f"{data}/wamerican/usr/share/dict/american-english"
        if os.path.exists(path):
            with open(path, encoding="utf-8") as words:
                self.words = {word.strip().lower() for word in words}
        self.titles = collections.Counter(entry.title for entry in entries)

    def english(self, text):
        """Whether most words are in the dictionary."""
        words = [word for word in re.findall("[a-z]+", text) if len(word) > 2]
        known = sum(word in self.words for word in words)
        return not self.words or (words and known >= 0.6 * len(words))

    def is_sentence(self, text):
        """Whether a description is worth being a caption."""
        odd = re.search("@|hash|http|icons? col", text)
        return len(text) < 100 and text.isascii() and not odd and self.english(text)

    def is_of_series(self, entry):
        """Whether a title is that of a collection: the files that share it are named otherwise."""
        title = entry.title.lower()
        if not title or re.search(SERIES, title):
            return True
        first = os.path.basename(entry.path).lower()[:3]
        return self.titles[entry.title] >= 4 and not title.startswith(first)

    def name_of(self, entry):
        """What the picture shows, or "" where nothing tells."""
        card = re.match(r"[a-z]+_([shdc])_(\w+)\.png$", os.path.basename(entry.path))
        if "/cards/" in entry.place and card and card[2] in RANKS:
            return f"{RANKS[card[2]]} of {SUITS[card[1]]} playing card"
        from_file = " ".join(words_of_file(entry))
        title = re.sub(r"^clip ?art by [^-]*- |\.png$", "", clean(entry.title))
        if "/flags/" in entry.place:
            return self.flag(from_file if self.is_of_series(entry) else title)
        if self.is_of_series(entry):
            name = from_file
        else:
            name = re.sub(STYLES, "", title)
            name = re.sub(r"[-\s#,;:]+$", "", re.sub(r"\s+", " ", name))
            name = name.strip(" -").replace(" -", " ")
        classes = classes_of(entry)
        if not self.english(name):
            idle = IDLE.union(*CLASSES.values())
            known = [word for word in entry.keywords if word not in idle and self.english(word)]
            name = ", ".join(list(dict.fromkeys(known))[:3])
        if name in VAGUE or "/callouts/" in entry.place:
            name = classes[0] if classes and classes[0] not in WIDE else ""
        jigsaw = re.fullmatch("jigsaw (red|green|blue)", name)
        if jigsaw:
            name = jigsaw[1] + " puzzle piece"
        name = "house" if name == "homes" else name
        if name and (re.search("aiga|roadsigns", entry.place) or "Road Signs" in entry.title):
            name = re.sub(" sign$", "", name) + " sign"
        return name if len(name) > 2 else ""

    @staticmethod
    def flag(title):
        """united states - ohio: flag of ohio."""
        if "flag" in title or "semaphore" in title:
            return title
        parts = [part.strip() for part in title.split(" - ")]
        old = "historic " if parts[0] == "historic" else ""
        return f"{old}flag of {parts[-1]}" if parts[-1] else ""


def openclipart(data):
    entries = list(read_entries(data))
    namer = Namer(data, entries)
    for entry in entries:
        name = namer.name_of(entry)
        if not name:
            continue
        keywords = [word for word in dict.fromkeys(entry.keywords) if word and word not in IDLE
                    and word not in entry.creator and namer.english(word)]
        said = clean(entry.description)
        also = [] if "/flags/" in entry.place else [", ".join(keywords[:6])]
        if namer.is_sentence(said):
            also.append(said)
        # A handful of PNGs have hundreds of millions of pixels: their SVG is drawn.
        image = open_picture(entry.path) or draw_svg(entry.svg)
        stem = re.sub(r"\W+", "-", entry.place[:-4])
        yield stem, image, captions(name, "clip art of", also, classes_of(entry))
