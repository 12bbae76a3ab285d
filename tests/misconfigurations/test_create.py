"""Every misconfiguration of a specification, under the three modes."""

import unittest

from player import Player
import plays_mounts
import plays_node
import plays_process
from misconfiguration import MODES

PLAYS = (*plays_mounts.PLAYS, *plays_process.PLAYS, *plays_node.PLAYS)


class Create(Player):
    pass


def add(play, mode):
    def test(self):
        self.play_create(play, mode)
    setattr(Create, f"test_{play.name}_{mode}", test)


for each in PLAYS:
    for one in MODES:
        add(each, one)


if __name__ == "__main__":
    unittest.main()
