"""Patterns of phrases about sounds: what can stand in a slot, and how often for each.

``{plural source}`` is the plural of a word from the section source; ``{event}`` is one more pattern. Words of a
section of pairs, such as ``source: action``, go together within a pattern.
"""

from collections.abc import Mapping

PATTERNS: Mapping[str, Mapping[str, int]] = {
    "phrase": {
        "{event}": 14, "{event} {where}": 8, "{bare event}": 6, "{sound}": 6, "{sound} {where}": 5, "{sentence}": 18,
        "{sound} and {sound}": 3, "{event} with {background} in the background": 2, "{sound}, {sound}": 2,
        "{given}": 3, "{twist}": 10, "{scene}": 6, "{designed}": 7, "{musical}": 4, "{contact}": 7,
        "{keywords}": 9, "{frame}": 7, "{word} {word}": 12, "{word} {word} {word}": 8,
        "{word} {sound}": 3, "{word} {where}": 3,
    },
    "event": {
        "{a source} {ing action}": 10, "{source} {ing action}": 8, "{plural source} {ing action}": 5,
        "{source} {action}": 6, "{a source} {s action}": 3, "{ing action} {source}": 1, "{plural source} {action}": 1,
        "{a quality} {source} {ing action}": 4, "{size} {source} {ing action}": 3, "the {source} {s action}": 1,
        "{source} {ing action} {manner}": 4, "{a source} {ing action} {manner}": 3, "{manner} {ing action} {source}": 1,
        "{material} {source} {ing action}": 1, "{ing action}": 1, "{deed}": 14,
    },
    "deed": {
        "{ing act} {object}": 8, "{act} {object}": 2, "someone {ing act} {object}": 2, "a person {ing act} {object}": 2,
        "{ing act} {bare object}": 2, "{ing act} {object} {manner}": 2, "{manner} {ing act} {object}": 1,
    },
    "sound": {
        "{source}": 4, "{plural source}": 3, "{a source}": 3, "{bare event}": 6, "{size} {source}": 2,
        "{quality} {source}": 3, "{quality} {mass}": 2, "{mass}": 2, "{bare given}": 4, "{instrument}": 1,
        "{design}": 2, "{background}": 1, "{plural}": 1, "{quality} {word}": 1, "{material} {impact}": 2,
    },
    "where": {
        "in {a place}": 6, "in the {place}": 4, "{place}": 3, "{distance}": 6, "{time}": 3, "{acoustics}": 3,
        "on {surface}": 4, "inside {a place}": 1, "near {a place}": 1, "at the {place}": 1, "outside {a place}": 1,
    },
    "contact": {
        "{material} on {material}": 2, "{material} {impact}": 3, "{quality} {material} {impact}": 3, "{impact}": 1,
        "footsteps on {surface}": 2, "walking on {surface}": 1, "{size} {material} {object}": 1,
        "{source} on {surface}": 2, "{source} hitting {surface}": 1, "{material} {source}": 3, "{mass} on {surface}": 2,
        "{source} {impact}": 3, "{a quality} {impact}": 2, "{a quality} {impact} {where}": 1,
        "{source} against {material}": 1, "{material} falling on {surface}": 1, "{material} movement": 1,
    },
    "impact": {
        "impact": 4, "hit": 3, "scrape": 2, "crash": 2, "thud": 2, "clang": 2, "clank": 1, "rattle": 2, "creak": 1,
        "squeak": 2, "break": 2, "snap": 1, "crack": 2, "slam": 1, "bang": 2, "knock": 1, "tap": 1, "drop": 2,
        "fall": 1,
        "slide": 1, "roll": 1, "friction": 1, "debris": 1, "crunch": 1, "click": 2, "clatter": 1, "smash": 1,
        "thump": 1,
        "clunk": 1, "whack": 1, "ring": 1, "bend": 1, "stress": 1, "tear": 1, "bounce": 1, "splash": 1, "whoosh": 1,
    },
    "scene": {
        "{place} {recording}": 4, "{quality} {place}": 2, "inside {a place}": 2, "{place} with {background}": 3,
        "{quality} {place} {recording}": 2, "{place} {time}": 2, "{background} in {a place}": 2, "{place}": 1,
        "{background}": 1, "{place} {recording} with {background}": 2, "{quality} {background}": 2,
    },
    "designed": {
        "{design}": 2, "{quality} {design}": 5, "{design} {recording}": 2, "{quality} {quality} {design}": 2,
        "{design} sound": 2, "{a quality} {design} sound": 2, "{quality} {recording}": 2, "{design} {acoustics}": 1,
        "{quality} {source} {design}": 1, "{word} {design}": 1, "{design} with {design}": 1, "{a design}": 1,
        "game {design}": 1, "{design} for a {quality} scene": 1, "user interface {design}": 1, "synth {design}": 1,
    },
    "musical": {
        "{instrument}": 2, "{quality} {instrument}": 3, "{a instrument} note": 1, "{instrument} {melody}": 4,
        "{quality} {instrument} {melody}": 3, "{genre} {melody}": 2, "{genre} music": 2, "playing {a instrument}": 2,
        "{instrument} and {instrument}": 1, "{quality} {genre} music": 1, "{genre} music {where}": 1,
        "someone plays {a instrument} {where}": 1,
    },
    "melody": {
        "melody": 2, "loop": 2, "chord": 2, "solo": 1, "riff": 1, "hit": 2, "roll": 1, "beat": 2, "jingle": 2,
        "note": 2,
        "scale": 1, "tune": 1, "song": 1, "stab": 1, "glissando": 1, "arpeggio": 1, "tremolo": 1, "sting": 1,
    },
    "twist": {
        "{quality} {bare given}": 3, "{given} {where}": 4, "{given} and {bare given}": 3, "{bare given}": 3,
        "{given} with {background} in the background": 2, "{bare given} {recording}": 2, "{bare given} {word}": 2,
        "{size} {bare given}": 1, "{bare given} {quality}": 1, "{given} {manner}": 1, "{word} {bare given}": 1,
        "{given} followed by {event}": 1, "{given} while {event}": 1,
    },
    "keywords": {
        "{source} {quality}": 3, "{source} {material} {action}": 2, "{source}, {action}, {quality}": 2,
        "{source} {action} {distance}": 2, "{recording} {place}": 2, "{material} {impact} {quality}": 2,
        "{source} {action} {place}": 2, "{quality} {action}": 1, "{action} {object}": 1, "{source} {word}": 2,
        "{source} {design}": 1, "{source} {recording}": 2, "{design} {quality}": 1, "{word} {impact}": 1,
        "{place} {time} {recording}": 1, "{source} {source}": 2, "{quality} {material} {source}": 1,
        "{source}, {place}": 1, "{word} {recording}": 1, "{quality} {quality}": 1, "{action} {word}": 1,
    },
    "frame": {
        "the sound of {event}": 4, "the sound of {sound}": 2, "this is a sound of {sound}.": 3, "sound of {event}": 2,
        "sounds of {plural source}": 2, "a recording of {event}": 2, "{sound} sound": 3, "{sound} noise": 2,
        "{sound} sound effect": 2, "{event}.": 3, "i hear {event}": 1, "{place} ambience with {sound}": 1,
        "this is a sound of {bare given}.": 2, "{sound} sounds": 1, "something {ing action} like {a source}": 1,
        "recording of {sound} {where}": 1, "noise from {a source} {where}": 1,
    },
    "sentence": {
        "{clause} while {clause}": 4, "{a source} is {ing action} {where}": 4,
        "{clause} and then {clause}": 2, "{event} followed by {event}": 3,
        "{clause}, then {clause}": 1, "{clause} and {background} can be heard": 1, "{clause} as {event}": 2,
        "{plural source} are {ing action} {where}": 3, "{plural source} {action} {where}": 2,
        "{clause} {manner} {where}": 4, "{a quality} {source} {s action} {where}": 3,
        "someone is {ing act} {object}": 3, "someone {s act} {object} {where}": 2, "a man {s act} {object}": 2,
        "a woman {s act} {object} {where}": 1, "{doing}": 4, "{clause} and {clause}": 2,
        "{clause} with {background} in the background": 3, "{event} and {event}": 3,
        "{clause} several times {where}": 1, "{event} while {event} {where}": 2,
        "{a quality} {design} followed by {a quality} {design}": 1, "{mass} {s action} on {surface}": 1,
        "{clause} and gets closer": 1, "{clause} and fades away": 1, "{clause} and stops": 1,
        "{many} and {many}": 2, "there is {a source} {ing action}": 1, "{many} {manner} {where}": 1,
        "{background} and {a source} {ing action} {time}": 2,
    },
    "clause": {
        "{a source} {s action}": 6, "{a quality} {source} {s action}": 2, "the {source} {s action}": 1,
        "{a source} is {ing action}": 2, "{a size} {source} {s action}": 1, "someone {s act} {object}": 1,
    },
    "many": {
        "{plural source} {action}": 3, "{quality} {plural source} {action}": 1, "{plural source} are {ing action}": 1,
    },
    "doing": {
        "a person {s act} {object} and {clause}": 1, "a child is {ing act} {object} {where}": 1,
        "people are {ing act} {object} {where}": 1, "a man is {ing act} {object} {manner}": 1,
        "somebody {s act} {object} and {clause}": 1, "a person {s act} {object} while {clause}": 1,
    },
}  # fmt: skip
