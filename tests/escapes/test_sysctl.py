"""Settings of the kernel that a specification smuggles in."""

import os
import re
import unittest

from escape import Escape

SMUGGLED = ("1+kernel.core_pattern=|/bin/evil", "1 kernel.core_pattern=|/bin/evil", "1\nkernel.core_pattern=|/bin/evil",
            "1=2", "1\rkernel.modprobe=/x")
NAMES = ("kernel.core_pattern", "kernel.modprobe", "kernel/core_pattern", "kernel.shm_rmid_forced/../core_pattern",
         "net.ipv4.../../kernel.core_pattern", "net/../kernel/core_pattern", "vm.overcommit_memory", "fs.suid_dumpable",
         "kernel.hostname", "user.max_user_namespaces", "kernel.unprivileged_bpf_disabled", "dev.tty.legacy_tiocsti")


class Sysctls(Escape):
    def ask(self, settings, check=False):
        return self.inside("cat", "/proc/sys/kernel/shm_rmid_forced", check=check,
                           edit=lambda document: document["linux"].update(sysctl=settings))

    def test_values_that_hold_another(self):
        """CVE-2022-0811: a second setting behind a + in the value of a harmless one. Refused; the host's
        kernel.core_pattern is as it was."""
        for value in SMUGGLED:
            self.refused(self.ask({"kernel.shm_rmid_forced": value}), "sysctl")
        self.use_policy("passthrough")  # no rule: then it is one value, of that one name, and the kernel refuses it
        for value in SMUGGLED:
            self.ask({"kernel.shm_rmid_forced": value})

    def test_names_that_are_the_hosts(self):
        """CVE-2022-0811: settings without a namespace, by name and by way of others. Refused."""
        for name in NAMES:
            self.refused(self.ask({name: "0"}), "sysctl")

    def test_control_a_harmless_value_is_set(self):
        """What a namespace has can be set: the value is in the container, and not on the host."""
        self.assertEqual(self.ask({"kernel.shm_rmid_forced": "1"}, check=True).out, "1")

    def test_control_the_payload_works_on_a_careless_parser(self):
        """An illustration: the stand-in splits as the vulnerable one did, below a directory: a second file is written."""
        place = self.directory("sysctls")
        for part in re.split(r"\+", "kernel.shm_rmid_forced=" + SMUGGLED[0]):
            name, value = part.split("=", 1)
            with open(f"{place}/{name}", "w", encoding="utf-8") as file:
                file.write(value)
        self.assertEqual(sorted(os.listdir(place)), ["kernel.core_pattern", "kernel.shm_rmid_forced"])


if __name__ == "__main__":
    unittest.main()
