# SPDX-License-Identifier: MIT
"""Emoji: their names and classes from Unicode, their pictures from two fonts."""

import collections
import io
import os
import re
import xml.etree.ElementTree

from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops, ImageDraw

from captions import captions, read_table
from pictures import draw_svg

Emoji = collections.namedtuple("Emoji", "points name group subgroup keywords")

VARIATION = 0xFE0F  # asks for the coloured form of a character
SKIN_TONES = range(0x1F3FB, 0x1F400)

# What people call the subgroups of emoji-test.txt, from the narrowest word to the widest.
CLASSES = read_table("""
    face: face, smiley
    cat-face: cat, face
    monkey-face: monkey, face
    heart: heart
    emotion: feeling
    hand: hand, gesture
    hands: hand, gesture
    body-parts: body part
    person: person
    person-role: person, person at work
    person-fantasy: fantasy figure, person
    person-activity: person
    person-sport: sports person, person
    person-symbol: silhouette, person
    family: family, people
    animal-mammal: mammal, animal
    animal-bird: bird, animal
    animal-amphibian: amphibian, animal
    animal-reptile: reptile, animal
    animal-marine: sea animal, animal
    animal-bug: insect, animal
    plant-flower: flower, plant
    plant-other: plant
    food-fruit: fruit, food
    food-vegetable: vegetable, food
    food-prepared: meal, food
    food-asian: asian dish, food
    food-marine: seafood, food
    food-sweet: dessert, food
    drink: drink
    dishware: dishware
    place-map: map
    place-geographic: landscape, place
    place-building: building, place
    place-religious: religious building, building
    place-other: place
    transport-ground: vehicle
    transport-water: boat, vehicle
    transport-air: aircraft, vehicle
    hotel: hotel sign
    time: clock
    sky & weather: weather, sky
    event: celebration
    award-medal: medal
    sport: sport
    game: game, toy
    arts & crafts: arts and crafts
    clothing: piece of clothing
    sound: sound
    music: music
    musical-instrument: musical instrument
    phone: telephone
    computer: computer device
    light & video: camera or light
    book-paper: paper
    money: money
    mail: mail
    writing: pen
    office: office supplies
    lock: lock
    tool: tool
    science: science
    medical: medicine
    household: household item
    other-object: 
    transport-sign: road sign, sign
    warning: warning sign, sign
    arrow: arrow
    religion: religious symbol
    zodiac: sign of the zodiac
    geometric: shape
    keycap: key
    country-flag: flag
    subdivision-flag: flag
    flag: flag
""")


def classes_of(emoji):
    known = CLASSES.get(emoji.subgroup, CLASSES.get(emoji.subgroup.split("-")[0], []))
    return known + [emoji.group.lower()]


def read_keywords(data):
    """By the characters without their variation selectors."""
    out = collections.defaultdict(list)
    for part in ("annotations", "annotationsDerived"):
        path = f"{data}/unicode-cldr-core/usr/share/unicode/cldr/common/{part}/en.xml"
        if not os.path.exists(path):
            continue
        for item in xml.etree.ElementTree.parse(path).iter("annotation"):
            if item.get("type") != "tts":
                key = item.get("cp").replace(chr(VARIATION), "")
                out[key] = [word.strip() for word in item.text.split("|")]
    return out


def read_emoji(data):
    """All emoji of Unicode but the variants by colour of skin."""
    path = f"{data}/unicode-data/usr/share/unicode/emoji/emoji-test.txt"
    if not os.path.exists(path):
        return []
    keywords, out, group, subgroup = read_keywords(data), [], "", ""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            heading = re.match(r"# (sub)?group: (.*)", line)
            if heading:
                if heading[1]:
                    subgroup = heading[2]
                else:
                    group = heading[2]
            entry = re.match(r"([0-9A-F ]+?) *; fully-qualified *# \S+ E[\d.]+ (.*)", line)
            if not entry:
                continue
            points = [int(point, 16) for point in entry[1].split()]
            if any(point in SKIN_TONES for point in points):
                continue
            name = re.sub("^flag: ", "flag of ", entry[2]).replace(": ", " ")
            key = "".join(chr(point) for point in points if point != VARIATION)
            out.append(Emoji(points, name, group, subgroup, keywords[key]))
    return out


def texts(emoji):
    words = [word for word in emoji.keywords if word != emoji.name]
    return captions(emoji.name, "an emoji of", [", ".join(words)], classes_of(emoji))


class Ligatures:
    """Which glyph a font has for a sequence of characters."""

    def __init__(self, font):
        self.characters = font.getBestCmap()
        self.glyphs = {}
        for lookup in font["GSUB"].table.LookupList.Lookup:
            for table in lookup.SubTable:
                table = getattr(table, "ExtSubTable", table)
                for first, found in getattr(table, "ligatures", {}).items():
                    for one in found:
                        self.glyphs[(first, *one.Component)] = one.LigGlyph

    def find(self, points, drawn):
        """The glyph among `drawn`, with variation selectors or without, or None."""
        for some in (points, [point for point in points if point != VARIATION]):
            names = tuple(self.characters.get(point) for point in some)
            glyph = names[0] if len(names) == 1 else self.glyphs.get(names)
            if glyph in drawn:
                return glyph
        return None


def file_name(emoji):
    return "-".join(f"{point:x}" for point in emoji.points)


def noto(data):
    """Noto Color Emoji holds PNGs of 136 x 128 pixels."""
    path = f"{data}/fonts-noto-color-emoji/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
    if not os.path.exists(path):
        return
    font = TTFont(path)
    pictures, find = font["CBDT"].strikeData[0], Ligatures(font).find
    for emoji in read_emoji(data):
        glyph = find(emoji.points, pictures)
        if glyph:
            yield file_name(emoji), Image.open(io.BytesIO(pictures[glyph].imageData)), texts(emoji)


def twemoji(data, subgroups=None):
    """Twemoji Mozilla holds outlines in layers of one colour each (COLR version 0)."""
    path = f"{data}/firefox-esr/usr/lib/firefox-esr/fonts/TwemojiMozilla.ttf"
    if not os.path.exists(path):
        return
    font = TTFont(path)
    layers, outlines = font["COLR"].ColorLayers, font.getGlyphSet()
    colours = font["CPAL"].palettes[0]
    find, top, bottom = Ligatures(font).find, font["hhea"].ascent, font["hhea"].descent
    for emoji in read_emoji(data):
        glyph = find(emoji.points, layers)
        if not glyph or (subgroups and emoji.subgroup not in subgroups):
            continue
        shapes = ""
        for layer in layers[glyph]:
            pen = SVGPathPen(outlines)
            outlines[layer.name].draw(pen)
            colour = colours[layer.colorID]
            shapes += (f'<path d="{pen.getCommands()}" fill-opacity="{colour.alpha / 255:.3f}" '
                       f'fill="#{colour.red:02x}{colour.green:02x}{colour.blue:02x}"/>')
        svg = ('<svg xmlns="http://www.w3.org/2000/svg" '
               f'viewBox="0 {-top} {outlines[glyph].width} {top - bottom}">'
               f'<g transform="scale(1,-1)">{shapes}</g></svg>')
        yield file_name(emoji), draw_svg(svg.encode()), texts(emoji)


def round_flags(data):
    """The middle of Twemoji's flags cut out as a disc, as some vendors draw them."""
    for name, image, names in twemoji(data, {"country-flag"}):
        image = image.convert("RGBA")
        left, top, right, bottom = image.getchannel("A").getbbox()
        side = bottom - top
        left += (right - left - side) // 2
        image = image.crop((left, top, left + side, bottom))
        disc = Image.new("L", image.size, 0)
        ImageDraw.Draw(disc).ellipse((2, 2, side - 3, side - 3), fill=255)
        image.putalpha(ImageChops.multiply(image.getchannel("A"), disc))
        yield name, image, names
