"""Every misconfiguration of an exec and of an update, under the three modes."""

import unittest

from player import Player
from misconfiguration import MODES
from plays_later import EXEC, UPDATE


class Exec(Player):
    pass


class Update(Player):
    pass


def add(owner, play, mode):
    def test(self):
        (self.play_exec if owner is Exec else self.play_update)(play, mode)
    setattr(owner, f"test_{play.name}_{mode}", test)


for each in EXEC:
    for one in MODES:
        add(Exec, each, one)
for each in UPDATE:
    for one in MODES:
        add(Update, each, one)


if __name__ == "__main__":
    unittest.main()
