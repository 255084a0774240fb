# SPDX-License-Identifier: MIT
"""Renders of furniture, landscape photographs, and icons."""

import collections
import glob
import io
import os
import re
import zipfile

from PIL import Image

from captions import captions, read_table
from pictures import draw_svg, files_below

FURNITURE = read_table("""
    Bathroom: bathroom furniture
    Bedroom: bedroom furniture, furniture
    Characters: person, human figure
    Doors and windows: door or window
    Exterior: outdoor object
    Kitchen: kitchen object, household item
    Lights: lamp, light
    Living room: living room furniture, furniture
    Miscellaneous: object
    Office: office furniture, furniture
    Staircases: staircase
    Vehicles: vehicle
""")
# Who made a model, and marks of the catalogue.
NOT_TAGS = {"", "Blend Swap", "SCPTS", "Haussmann", "Adjustable"}


def furniture(data):
    """Sweet Home 3D: one render of each model, 128 pixels high."""
    folder = f"{data}/sweethome3d-furniture/usr/share/sweethome3d/furniture"
    for path in sorted(glob.glob(f"{folder}/*.sh3f")):
        archive = zipfile.ZipFile(path)
        items = collections.defaultdict(dict)
        catalogue = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
        for key, number, value in re.findall(r"^(\w+)#(\d+)\s*=(.*)$", catalogue, re.M):
            items[int(number)][key] = value.strip().encode("latin-1").decode("unicode_escape")
        for number, item in sorted(items.items()):
            icon = item.get("icon", "").lstrip("/")
            if icon not in archive.namelist():
                continue
            tags = [tag.strip() for tag in item.get("tags", "").split(",")]
            tags = ", ".join(tag for tag in tags if tag not in NOT_TAGS)
            stem = f"{os.path.basename(path)[:-5]}-{number:03d}"
            yield (stem, Image.open(io.BytesIO(archive.read(icon))),
                   captions(re.sub(r" \d+$", "", item["name"]), "a 3d render of", [tags],
                            FURNITURE.get(item.get("category"), [])))


# What the files of endless-sky show: a caption, other captions, classes. Files whose names end in
# their author's name (beach7-sfiera.jpg) are CC-BY-SA and belong to the measurements.
SCENES = {
    "badlands": ("badlands", ["barren rocky land", "rocks"], ["desert"]),
    "beach": ("beach", ["a sandy beach by the sea", "coast"], ["beach", "sea"]),
    "canyon": ("canyon", ["red rocks and cliffs", "a gorge"], ["canyon", "desert"]),
    "city": ("city", ["a city skyline with tall buildings", "skyscrapers"], ["buildings"]),
    "desert": ("desert", ["dry sandy land"], ["desert"]),
    "dune": ("sand dunes", ["dunes in a desert", "sand"], ["desert"]),
    "fields": ("fields", ["green fields", "meadow and farmland"], ["field", "grass"]),
    "fog": ("fog", ["a landscape in fog", "mist"], ["weather"]),
    "forest": ("forest", ["trees in a forest", "woods"], ["forest", "trees"]),
    "hills": ("hills", ["green hills", "rolling hills with grass"], ["hill"]),
    "lava": ("lava", ["a volcano with lava", "glowing lava", "a volcano"], ["volcano"]),
    "mountain": ("mountains", ["a mountain range", "a mountain peak"], ["mountain"]),
    "sea": ("sea", ["waves on the ocean", "water of the ocean"], ["sea", "water"]),
    "sky": ("sky and clouds", ["clouds in the sky", "a sky"], ["sky", "weather"]),
    "snow": ("snow", ["a snowy landscape in winter", "ice and snow"], ["snow", "winter"]),
    "valley": ("valley", ["a valley between mountains"], ["valley"]),
    "water": ("lake", ["a river or a lake", "calm water"], ["lake", "river", "water"]),
    "station": ("space station", ["inside a space station", "a machine room"], ["machines"]),
}


def land_files(data):
    """(path, what it shows, whether it is in the public domain) of each landscape."""
    folder = f"{data}/endless-sky-data/usr/share/games/endless-sky/images/land"
    for path in files_below(folder, ".jpg"):
        name = re.fullmatch(r"([a-z]+)\d+(-\w+)?\.jpg", os.path.basename(path))
        if name and name[1] in SCENES:
            yield path, name[1], not name[2] and os.path.basename(path) != "lava5.jpg"


def landscapes(data):
    for path, kind, free in land_files(data):
        if not free:
            continue
        name, also, classes = SCENES[kind]
        texts = captions(name, "a landscape photo of", also, classes + ["landscape"])
        yield os.path.basename(path)[:-4], Image.open(path), texts


NO_PICTURE = re.compile(  # icons that mean an action, and show lines and arrows
    r"go-|format-|edit-(?!cut|delete)|view-|media-(play|skip|seek|rec)|emblem-(sym|unr|read)|list-"
    r"|document-|window|tab-|process|start-here|bookmark|text-x|network-(trans|rec|idle)|package-x"
    r"|preferences-(system-sess|system-win|desktop-the)|font-x|image-(load|miss)|application-x")
ICONS = read_table("""
    face: face, smiley
    weather: weather
    folder: folder
    mail: mail
    audio: sound
    battery: battery
""")


def icons(data):
    """Tango: icons of programs and devices, drawn as SVG."""
    for path in files_below(f"{data}/tango-icon-theme/usr/share/icons/Tango/scalable", ".svg"):
        stem = os.path.basename(path)[:-4]
        if NO_PICTURE.match(stem):
            continue
        name = re.sub(r"^(accessories|applications|preferences-desktop|preferences|utilities"
                      r"|x-office|internet)-|-(x-)?generic", "", stem).replace("-", " ")
        classes = ICONS.get(stem.split("-")[0], []) + (["device"] if "/devices/" in path else [])
        if stem.startswith("face-"):
            name = name[5:] + " face"
        elif stem.startswith("weather-"):
            name = name[8:] + " weather"
        yield stem, draw_svg(path), captions(name, "an icon of", [name + " icon"], classes)
