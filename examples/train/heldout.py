# SPDX-License-Identifier: MIT
"""Pictures that the shipped model is never trained on, with what they show.

Each source yields (file, {set: label}); a file is an SVG or any other picture.
"""

import json
import os
import re

import emoji
from captions import clean
from pictures import files_below
from scenes import land_files

NO_OBJECT = ("Symbols", "Component", "Flags")


def words_of_name(path):
    """honey_bee-2.png: honey bee."""
    stem = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", os.path.basename(path).rsplit(".", 1)[0])
    return clean(re.sub(r"[\d_().-]+", " ", stem))


def key_of(points):
    return tuple(point for point in points if point != emoji.VARIATION)


def emojione(data):
    """EmojiOne 2, another vendor's emoji of the same names."""
    gem = f"{data}/ruby-gemojione/usr/share/rubygems-integration/all/gems/gemojione-3.3.0"
    known = {key_of(one.points): one for one in emoji.read_emoji(data)}
    for path in files_below(f"{gem}/assets/png", ".png"):
        points = os.path.basename(path)[:-4].split("-")
        if not all(re.fullmatch("[0-9A-Fa-f]+", point) for point in points):
            continue
        one = known.get(key_of(int(point, 16) for point in points))
        if not one:
            continue
        is_flag = one.subgroup == "country-flag"
        labels = {"emojione-flags" if is_flag else "emojione-names": clean(one.name)}
        if one.group not in NO_OBJECT:
            labels["emojione-group7"] = one.group.lower()
        yield path, labels


def iso_flags(data):
    """Flat flags of countries, under the names of Unicode."""
    table = f"{data}/iso-codes/usr/share/iso-codes/json/iso_3166-1.json"
    countries = {}
    if os.path.exists(table):
        with open(table, encoding="utf-8") as file:
            for entry in json.load(file)["3166-1"]:
                name = entry.get("common_name", entry["name"])
                countries[entry["alpha_2"].lower()] = "flag of " + name
    for one in emoji.read_emoji(data):
        letters = [point - 0x1F1E6 for point in one.points]
        if len(letters) == 2 and all(0 <= letter < 26 for letter in letters):
            countries["".join(chr(97 + letter) for letter in letters)] = one.name
    package = "iso-flags-png-320x240"
    for path in files_below(f"{data}/{package}/usr/share/{package}", ".png"):
        name = countries.get(os.path.basename(path)[:-4])
        if name:
            yield path, {"iso-flags": clean(name)}


STAMPS = {  # of Tux Paint: photographs of things cut out, and for some classes drawings
    "bird": "animals/birds", "fish": "animals/fish", "insect": "animals/insects",
    "mammal": "animals/(mammals|marsupials)", "fruit": "food/fruit", "vegetable": "food/vegetables",
    "flower": "plants/flowers", "tree": "plants/trees", "planet": "space/(planets|moon)",
    "coin": "symbols/money/.*coins", "musical instrument": "hobbies/music",
    "tool": "household/tools", "road sign": "town/roadsigns",
    "vehicle": "(vehicles|military/vehicles)", "hat": "clothes/hats",
    "chess piece": "symbols/chess",
    "letter": "symbols/alphabets/(english|german|spanish)",
    "sign language hand": "symbols/alphabets/asl",
}


def stamps(data):
    root = f"{data}/tuxpaint-stamps-default/usr/share/tuxpaint/stamps"
    for path in files_below(root, (".png", ".svg")):
        place = os.path.relpath(path, root)
        drawn = "cartoon" in place or place.endswith(".svg")
        if re.search("_(mirror|flip)", place) or (drawn and not place.startswith("symbols")):
            continue
        label = next((name for name, folder in STAMPS.items()
                      if re.match(folder, os.path.dirname(place))), None)
        if label:
            yield path, {"stamps18": label}


QABCS = {"instrument": "musical instrument", "toys": "toy", "animals": "animal", "food": "food"}


def qabcs(data):
    """Pictures of an alphabet game for children, photographs and cartoons."""
    for path in files_below(f"{data}/qabcs-data/usr/share/qabcs/abcs/all/pics", ".png"):
        labels = {"qabcs-names": words_of_name(path)}
        folder = os.path.basename(os.path.dirname(path))
        if folder in QABCS:
            labels["qabcs4"] = QABCS[folder]
        yield path, labels


SCENES = {
    "beach": "beach or sea", "sea": "beach or sea", "water": "lake or river",
    "mountain": "mountains", "hills": "green hills and fields", "fields": "green hills and fields",
    "valley": "valley", "desert": "desert", "dune": "desert", "canyon": "desert",
    "badlands": "desert", "city": "city", "snow": "snow", "lava": "volcano",
}


def scenes(data):
    """The landscapes of other authors than those that are trained on."""
    for path, kind, free in land_files(data):
        if not free and kind in SCENES and re.search(r"\d-\w+\.jpg$", path):
            yield path, {"scenes": SCENES[kind]}


MESSIER = {
    "globular star cluster": "2 3 4 5 9 10 12 13 14 15 19 22 28 30 53 54 55 56 62 68 69 70 71 72 "
                             "75 79 80 92 107",
    "open star cluster": "6 7 11 18 21 23 25 26 29 34 35 36 37 38 39 41 44 46 47 48 50 52 67 "
                         "93 103",
    "galaxy": "31 33 51 58 59 60 61 63 64 65 66 74 77 81 82 83 85 88 89 90 91 94 95 96 98 99 100 "
              "101 102 104 105 106 108 109",
    "nebula": "1 8 16 17 20 27 42 57 76 78 97",
}


def messier(data):
    """Telescope photographs of Messier's catalogue."""
    labels = {number: label for label, numbers in MESSIER.items() for number in numbers.split()}
    folder = f"{data}/stellarium-data/usr/share/stellarium/nebulae/default"
    for path in files_below(folder, ".png"):
        number = re.match(r"m(\d+)", os.path.basename(path))
        if number and number[1] in labels:
            yield path, {"messier4": labels[number[1]]}


SOURCES = [emojione, iso_flags, stamps, qabcs, scenes, messier]
