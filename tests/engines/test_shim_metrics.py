"""What gabion's shim says a container uses, field by field of containerd's metrics (containerd/cgroups,
cgroup1/stats/metrics.proto and cgroup2/stats/metrics.proto), beside the files of its cgroup; and what changes them."""

import glob
import json
import os
import re
import unittest

from engine import GROUP, IS_GABION, eventually
from protobuf import all_fields, fields, read_varint
from shim_case import PAUSED, RUNNING, ShimCase

NONE = (1 << 64) - 1
UNIFIED = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
LIMITS = {"memory": {"limit": 64 << 20, "swap": 96 << 20}, "pids": {"limit": 20}, "cpu": {"quota": 30000, "period": 50000}}

MEMORY_V1 = dict(enumerate((
    "cache rss rss_huge mapped_file dirty writeback pgpgin pgpgout pgfault pgmajfault inactive_anon active_anon "
    "inactive_file active_file unevictable hierarchical_memory_limit hierarchical_memsw_limit total_cache total_rss "
    "total_rss_huge total_mapped_file total_dirty total_writeback total_pgpgin total_pgpgout total_pgfault "
    "total_pgmajfault total_inactive_anon total_active_anon total_inactive_file total_active_file "
    "total_unevictable").split(), 1))
MEMORY_V2 = dict(enumerate((
    "anon file kernel_stack slab sock shmem file_mapped file_dirty file_writeback anon_thp inactive_anon active_anon "
    "inactive_file active_file unevictable slab_reclaimable slab_unreclaimable pgfault pgmajfault workingset_refault "
    "workingset_activate workingset_nodereclaim pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed "
    "thp_fault_alloc thp_collapse_alloc").split(), 1)) | {
        39: "workingset_refault_anon", 40: "workingset_refault_file", 41: "workingset_activate_anon",
        42: "workingset_activate_file"}
# Something for every controller: memory of each kind, a process that is killed for wanting too much, time on the
# processor beyond the quota, and a read from the disk.
USE = ("dd if=/dev/zero of=/dev/shm/some bs=1M count=8 2>/dev/null; cat /bin/probe > /tmp/copy; (tail /dev/zero); "
       "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; dd if=/bin/busybox of=/dev/null iflag=direct 2>/dev/null; "
       "echo ready > /tmp/ready; sleep 1000")


def named(text):
    return {line.split()[0]: int(line.split()[1]) for line in text.splitlines() if len(line.split()) == 2}


def without_zeros(values):
    """proto3 does not write what is zero."""
    return {number: value for number, value in values.items() if value not in (0, 0.0)}


def packed(data):
    values, at = [], 0
    while at < len(data):
        value, at = read_varint(data, at)
        values.append(value)
    return values


@unittest.skipUnless(IS_GABION, "gabion's own shim")
class Metrics(ShimCase):
    def setUp(self):
        super().setUp()
        with self.config() as document:
            document["process"]["args"] = ["sh", "-c", USE]
            document["linux"]["resources"] = LIMITS
        self.pid = self.create()
        self.client.call("Start", {1: self.id})
        eventually(lambda: os.path.exists(f"/proc/{self.pid}/root/tmp/ready"), "everything was used", 60)

    def directory(self, controller):
        return f"/sys/fs/cgroup/{'' if UNIFIED else controller + '/'}{GROUP}/{self.id}/"

    def read(self, name, missing="0"):
        path = self.directory(name.split(".")[0]) + name
        if not os.path.exists(path):
            return missing
        with open(path, encoding="ascii") as file:
            return file.read()

    def number(self, name):
        text = self.read(name).strip()
        return NONE if text == "max" else int(text)

    def stats(self):
        """The type of the metrics, and they."""
        answer = fields(self.client.call("Stats", {1: self.id})[1])
        return answer[1].decode(), answer[2]

    # --- what is expected ---

    def pressure(self, resource):
        text = self.read(resource + ".pressure", "")
        lines = [dict(re.findall(r"(\w+)=([\d.]+)", line)) for line in text.splitlines()]
        return [without_zeros({1: float(line["avg10"]), 2: float(line["avg60"]), 3: float(line["avg300"]),
                               4: int(line["total"])}) for line in lines]

    def huge_pages(self):
        """On a hybrid host the controller may be v2's."""
        found = []
        for base in (self.directory("hugetlb"), f"/sys/fs/cgroup/unified/{GROUP}/{self.id}/"):
            for path in sorted(glob.glob(base + "hugetlb.*.current") + glob.glob(base + "hugetlb.*.usage_in_bytes")):
                size = os.path.basename(path).split(".")[1]
                if "rsvd" not in path:
                    found.append(size)
        return found

    def block_entries(self):
        """Of the I/O scheduler that counts: bytes, and requests."""
        for prefix in ("blkio.bfq.", "blkio.", "blkio.throttle."):
            found = []
            for name in ("io_service_bytes_recursive", "io_serviced_recursive"):
                entries = []
                for line in self.read(prefix + name, "").splitlines():
                    if len(words := line.split()) == 3:
                        device = "/dev/" + os.path.basename(os.readlink("/sys/dev/block/" + words[0]))
                        major, minor = map(int, words[0].split(":"))
                        entries.append(sorted({1: words[1].encode(), 2: device.encode(), **without_zeros(
                            {3: major, 4: minor, 5: int(words[2])})}.items()))
                found.append(sorted(entries))
            if any(found):
                return found
        return [[], []]

    def expect_v1(self):
        cpu = named(self.read("cpu.stat"))
        percpu = [int(word) for word in self.read("cpuacct.usage_percpu").split()]
        oom = named(self.read("memory.oom_control"))
        entries = {}
        for number, name in enumerate(("memory", "memory.memsw", "memory.kmem", "memory.kmem.tcp"), 33):
            entries[number] = without_zeros({
                1: self.number(name + ".limit_in_bytes"), 2: self.number(name + ".usage_in_bytes"),
                3: self.number(name + ".max_usage_in_bytes"), 4: self.number(name + ".failcnt")})
        memory = named(self.read("memory.stat"))
        pids = self.number("pids.max")
        return {
            "pids": without_zeros({1: self.number("pids.current"), 2: 0 if pids == NONE else pids}),
            "cpu": without_zeros({1: self.number("cpuacct.usage"), 2: self.number("cpuacct.usage_sys"),
                                  3: self.number("cpuacct.usage_user")}),
            "percpu": percpu,
            "throttling": without_zeros({1: cpu["nr_periods"], 2: cpu["nr_throttled"], 3: cpu["throttled_time"]}),
            "memory": without_zeros({number: memory.get(name, 0) for number, name in MEMORY_V1.items()}),
            "entries": entries, "hugetlb": self.huge_pages(), "blkio": self.block_entries(),
            "oom": without_zeros({1: oom["oom_kill_disable"], 2: oom["under_oom"], 3: oom["oom_kill"]}),
        }

    @staticmethod
    def got_v1(data):
        top = all_fields(data)
        cpu = fields(top[3][0])
        usage = fields(cpu[1])
        memory = fields(top[4][0])
        return {
            "pids": fields(top[2][0]), "cpu": {n: v for n, v in usage.items() if n < 4}, "percpu": packed(usage[4]),
            "throttling": fields(cpu[2]), "memory": {n: v for n, v in memory.items() if n < 33},
            "entries": {n: fields(memory[n]) for n in range(33, 37)},
            "hugetlb": [fields(one)[4].decode() for one in top.get(1, [])], "oom": fields(top[9][0]),
            "blkio": [sorted(sorted(fields(one).items()) for one in all_fields(top[5][0]).get(n, [])) for n in (1, 2)],
        }

    def expect_v2(self):
        cpu, memory = named(self.read("cpu.stat")), named(self.read("memory.stat"))
        events = named(self.read("memory.events"))
        io = []
        for line in self.read("io.stat", "").splitlines():
            values = dict(re.findall(r"(\w+)=(\d+)", line))
            if values:
                major, minor = map(int, line.split()[0].split(":"))
                io.append(without_zeros({1: major, 2: minor, 3: int(values["rbytes"]), 4: int(values["wbytes"]),
                                         5: int(values["rios"]), 6: int(values["wios"])}))
        used = {number: memory.get(name, 0) for number, name in MEMORY_V2.items()}
        for number, name in {32: "current", 33: "max", 34: "swap.current", 35: "swap.max", 36: "peak", 37: "swap.peak"}.items():
            used[number] = self.number("memory." + name)
        pages = []
        for size in self.huge_pages():
            full = named(self.read(f"hugetlb.{size}.events")).get("max", 0)
            pages.append(without_zeros({1: self.number(f"hugetlb.{size}.current"), 2: self.number(f"hugetlb.{size}.max"),
                                        4: full}) | {3: size.encode()})
        return {
            "pids": without_zeros({1: self.number("pids.current"), 2: self.number("pids.max")}),
            "cpu": without_zeros({number: cpu.get(name, 0) for number, name in enumerate(
                ("usage_usec", "user_usec", "system_usec", "nr_periods", "nr_throttled", "throttled_usec"), 1)} |
                {8: cpu.get("nr_bursts", 0), 9: cpu.get("burst_usec", 0)}),
            "memory": without_zeros(used), "io": io, "hugetlb": pages,
            "events": without_zeros({number: events.get(name, 0) for number, name in enumerate(
                ("low", "high", "max", "oom", "oom_kill", "oom_group_kill"), 1)}),
            "pressure": [self.pressure(name) for name in ("cpu", "memory", "io")],
        }

    @staticmethod
    def got_v2(data):
        top = all_fields(data)
        cpu, memory, io = fields(top[2][0]), fields(top[4][0]), all_fields(top[6][0])

        def lines(value):
            return [fields(fields(value)[number]) for number in (1, 2)] if value is not None else []
        return {
            "pids": fields(top[1][0]), "cpu": {n: v for n, v in cpu.items() if n != 7},
            "memory": {n: v for n, v in memory.items() if n != 38}, "io": [fields(one) for one in io.get(1, [])],
            "hugetlb": [fields(one) for one in top.get(7, [])], "events": fields(top[8][0]),
            "pressure": [lines(cpu.get(7)), lines(memory.get(38)), lines(io.get(2, [None])[0])],
        }

    def test_every_field(self):
        self.client.call("Pause", {1: self.id})
        self.assertEqual(self.status(), PAUSED)
        expect, got = (self.expect_v2, self.got_v2) if UNIFIED else (self.expect_v1, self.got_v1)

        def measured():
            """While nothing moves: the kernel adds up some counters later."""
            before = expect()
            kind, data = self.stats()
            return (kind, before, got(data)) if expect() == before else None
        kind, files, values = eventually(measured, "nothing moves", 60)
        self.assertEqual(kind, f"io.containerd.cgroups.v{2 if UNIFIED else 1}.Metrics")
        for part, value in files.items():
            with self.subTest(part):
                self.assertEqual(values[part], value)
        # The comparison is one of real numbers.
        self.assertEqual(values["pids"], {1: 1, 2: 20})
        self.assertGreaterEqual(values["cpu"][1], 1000)
        self.assertGreater(values["throttling"][1] if not UNIFIED else values["cpu"][4], 0)
        if UNIFIED:
            self.assertGreater(values["memory"][6], 8 << 20)
            self.assertEqual((values["memory"][33], values["memory"][35]), (64 << 20, 32 << 20))
            self.assertGreater(values["memory"][36], 60 << 20)
            self.assertEqual(values["events"][5], 1)
            self.assertGreaterEqual(values["events"][3], 1)
        else:
            self.assertGreater(values["memory"][18], 8 << 20)
            self.assertEqual(values["entries"][33][1], 64 << 20)
            self.assertEqual(values["oom"], {3: 1})
        self.client.call("Resume", {1: self.id})
        self.assertEqual(self.status(), RUNNING)

    def test_update(self):
        limits = {"memory": {"limit": 48 << 20, "swap": 48 << 20}, "pids": {"limit": 11}, "cpu": {"shares": 512}}
        self.client.call("Update", {1: self.id, 2: {1: "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
                                                    2: json.dumps(limits)}})
        _, data = self.stats()
        if UNIFIED:
            values = self.got_v2(data)
            self.assertEqual((values["memory"][33], values["memory"].get(35, 0)), (48 << 20, 0))
            self.assertEqual(self.number("cpu.weight"), 59)  # as runc converts 512 shares
        else:
            values = self.got_v1(data)
            self.assertEqual(values["entries"][33][1], 48 << 20)
            self.assertEqual(self.number("cpu.shares"), 512)
        self.assertEqual(values["pids"][2], 11)

    def test_kill_of_a_paused_container(self):
        self.client.call("Pause", {1: self.id})
        waiting = self.client.ask("Wait", {1: self.id})
        self.client.call("Kill", {1: self.id, 3: 9, 4: True})
        self.assertEqual(self.client.answer(waiting)[1], 137)


if __name__ == "__main__":
    unittest.main()
