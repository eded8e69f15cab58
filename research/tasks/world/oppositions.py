"""Pairs of opposite states: clauses that describe each, and claims that follow from them.

{person}, {town}, {spot} and {thing} are slots.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """A state.

    Attributes:
        clauses: Clauses that describe it.
        claims: Claims, each of which follows from each of the clauses.
    """

    clauses: tuple[str, ...]
    claims: tuple[str, ...]


def _state(clauses: str, claims: str) -> State:
    return State(tuple(clauses.split(", ")), tuple(claims.split(", ")))


OPPOSITIONS = (
    (
        _state(
            "{person} bought a {thing}, {person} found a {thing}, {person} kept the {thing}",
            "{person} has a {thing} now, there is a {thing} in the house of {person}",
        ),
        _state(
            "{person} sold the {thing}, {person} lost the {thing}, {person} gave the {thing} away",
            "{person} has no {thing} any more, {person} is without a {thing}",
        ),
    ),
    (
        _state(
            "it rained in {town}, a storm hit {town}, the streets of {town} were under water",
            "it was wet in {town}, one needed a coat in {town}",
        ),
        _state(
            "the sun shone on {town}, there was no cloud over {town}, {town} had no rain",
            "it was dry in {town}, nobody needed a coat in {town}",
        ),
    ),
    (
        _state(
            "{person} arrived in {town}, {person} stayed in {town}, {person} came back to {town}",
            "{person} is in {town}, you can meet {person} in {town}",
        ),
        _state(
            "{person} left {town}, {person} moved away from {town}, {person} fled from {town}",
            "{person} is not in {town}, you can not meet {person} in {town}",
        ),
    ),
    (
        _state(
            "{person} went to bed early, {person} slept all night, {person} had a long nap",
            "{person} is well rested, {person} is wide awake",
        ),
        _state(
            "{person} worked all night, {person} lay awake, {person} could not sleep",
            "{person} is tired, {person} needs some sleep",
        ),
    ),
    (
        _state(
            "{person} loved the {spot}, {person} enjoyed the {spot}, {person} adored the {spot}",
            "{person} likes the {spot}, {person} will go to the {spot} again",
        ),
        _state(
            "{person} hated the {spot}, {person} detested the {spot}, the {spot} bored {person}",
            "{person} does not like the {spot}, {person} will never go to the {spot} again",
        ),
    ),
    (
        _state(
            "{person} ate a big dinner, {person} had three plates of soup, {person} ate a cake",
            "{person} is full, {person} wants no more food",
        ),
        _state(
            "{person} ate nothing all day, {person} missed lunch, {person} had no dinner",
            "{person} is hungry, {person} wants some food",
        ),
    ),
    (
        _state(
            "the {spot} opened at noon, people can enter the {spot}, the {spot} has no lock",
            "the {spot} is open, we can go into the {spot}",
        ),
        _state(
            "the {spot} shut at noon, nobody can enter the {spot}, the {spot} is locked",
            "the {spot} is closed, we have to stay out of the {spot}",
        ),
    ),
    (
        _state(
            "everybody came to the {spot}, crowds filled the {spot}, the {spot} had no seat left",
            "the {spot} was full, many people were in the {spot}",
        ),
        _state(
            "nobody came to the {spot}, people avoided the {spot}, the {spot} had no visitors",
            "the {spot} was empty, few people were in the {spot}",
        ),
    ),
    (
        _state(
            "{person} won the race, {person} came first, nobody was faster than {person}",
            "{person} was the winner, {person} got the medal",
        ),
        _state(
            "{person} lost the race, {person} came last, everybody was faster than {person}",
            "{person} was beaten, {person} got no medal",
        ),
    ),
    (
        _state(
            "{person} inherited a fortune, {person} owns three houses, {person} earns a lot",
            "{person} is rich, {person} can buy a house",
        ),
        _state(
            "{person} can not pay the rent, {person} lost all savings, {person} has many debts",
            "{person} is poor, {person} can not buy a house",
        ),
    ),
    (
        _state(
            "{person} has a fever, {person} caught the flu, {person} was taken to hospital",
            "{person} is ill, {person} needs a doctor",
        ),
        _state(
            "{person} feels fine, {person} got over the flu, {person} came home from hospital",
            "{person} is well, {person} needs no doctor",
        ),
    ),
    (
        _state(
            "{person} told the truth, {person} never lies, {person} kept the promise",
            "{person} is honest, we can trust {person}",
        ),
        _state(
            "{person} lied to us, {person} cheated us, {person} broke the promise",
            "{person} is not honest, we can not trust {person}",
        ),
    ),
    (
        _state(
            "the {thing} runs again, {person} mended the {thing}, the {thing} is as new",
            "the {thing} works, one can use the {thing}",
        ),
        _state(
            "the {thing} fell to pieces, {person} broke the {thing}, the {thing} has a crack",
            "the {thing} is broken, one can not use the {thing}",
        ),
    ),
    (
        _state(
            "{person} ran to the {spot}, {person} drove to the {spot} at full speed",
            "{person} was in a hurry, {person} had no time",
        ),
        _state(
            "{person} strolled to the {spot}, {person} walked slowly to the {spot}",
            "{person} was in no hurry, {person} had time",
        ),
    ),
)
