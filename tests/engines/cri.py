"""A client of the Container Runtime Interface, runtime.v1, as the kubelet is one: gRPC, with messages of our own."""

import base64
import json
import os
import re
import socket
import sys
import urllib.parse

from protobuf import message, pairs

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # children of the tests execute at once
sys.path.append("/usr/lib/python3/dist-packages")  # Debian's python3-grpcio, whichever python runs this
import grpc  # pylint: disable=wrong-import-position

# api.proto, as far as it is used: NAME=NUMBER, then its type if that is no integer: s text, b bytes, m a map of
# texts, else a message's name. * repeated.
SCHEMA = {name: fields.split() for name, fields in {
    "VersionRequest": "", "VersionResponse": "runtime_name=2:s runtime_version=3:s runtime_api_version=4:s",
    "StatusRequest": "", "StatusResponse": "status=1:RuntimeStatus runtime_handlers=3:RuntimeHandler*",
    "RuntimeStatus": "conditions=1:RuntimeCondition*",
    "RuntimeCondition": "type=1:s status=2 reason=3:s message=4:s",
    "RuntimeHandler": "name=1:s features=2:RuntimeHandlerFeatures",
    "RuntimeHandlerFeatures": "recursive_read_only_mounts=1 user_namespaces=2",

    "RunPodSandboxRequest": "config=1:PodSandboxConfig runtime_handler=2:s",
    "RunPodSandboxResponse": "pod_sandbox_id=1:s",
    "StopPodSandboxRequest": "pod_sandbox_id=1:s", "StopPodSandboxResponse": "",
    "RemovePodSandboxRequest": "pod_sandbox_id=1:s", "RemovePodSandboxResponse": "",
    "ListPodSandboxRequest": "", "ListPodSandboxResponse": "items=1:PodSandbox*",
    "PodSandbox": "id=1:s state=3",
    "PodSandboxStatusRequest": "pod_sandbox_id=1:s", "PodSandboxStatusResponse": "status=1:PodSandboxStatus",
    "PodSandboxStatus": "id=1:s state=3 network=5:PodSandboxNetworkStatus runtime_handler=9:s",
    "PodSandboxNetworkStatus": "ip=1:s",
    "PodSandboxStatsRequest": "pod_sandbox_id=1:s", "PodSandboxStatsResponse": "stats=1:PodSandboxStats",
    "PodSandboxStats": "linux=2:LinuxPodSandboxStats",
    "LinuxPodSandboxStats": "cpu=1:CpuUsage memory=2:MemoryUsage process=4:ProcessUsage containers=5:ContainerStats*",
    "ProcessUsage": "process_count=2:UInt64Value",
    "PodSandboxConfig": "metadata=1:PodSandboxMetadata hostname=2:s log_directory=3:s dns_config=4:DNSConfig labels=6:m "
                        "annotations=7:m linux=8:LinuxPodSandboxConfig",
    "PodSandboxMetadata": "name=1:s uid=2:s namespace=3:s attempt=4",
    "DNSConfig": "servers=1:s* searches=2:s* options=3:s*",
    "LinuxPodSandboxConfig": "cgroup_parent=1:s security_context=2:LinuxSandboxSecurityContext sysctls=3:m",
    "LinuxSandboxSecurityContext": "namespace_options=1:NamespaceOption privileged=6 seccomp=9:SecurityProfile",
    "NamespaceOption": "network=1 pid=2 ipc=3 target_id=4:s userns_options=5:UserNamespace",
    "UserNamespace": "mode=1 uids=2:IDMapping* gids=3:IDMapping*",
    "IDMapping": "host_id=1 container_id=2 length=3",
    "SecurityProfile": "profile_type=1 localhost_ref=2:s",

    "CreateContainerRequest": "pod_sandbox_id=1:s config=2:ContainerConfig sandbox_config=3:PodSandboxConfig",
    "CreateContainerResponse": "container_id=1:s",
    "StartContainerRequest": "container_id=1:s", "StartContainerResponse": "",
    "StopContainerRequest": "container_id=1:s timeout=2", "StopContainerResponse": "",
    "RemoveContainerRequest": "container_id=1:s", "RemoveContainerResponse": "",
    "ListContainersRequest": "", "ListContainersResponse": "containers=1:Container*",
    "Container": "id=1:s pod_sandbox_id=2:s state=6",
    "ContainerStatusRequest": "container_id=1:s verbose=2",
    "ContainerStatusResponse": "status=1:ContainerStatus info=2:m",
    "ContainerStatus": "id=1:s state=3 created_at=4 started_at=5 finished_at=6 exit_code=7 reason=10:s message=11:s "
                       "log_path=15:s",
    "UpdateContainerResourcesRequest": "container_id=1:s linux=2:LinuxContainerResources",
    "UpdateContainerResourcesResponse": "",
    "ReopenContainerLogRequest": "container_id=1:s", "ReopenContainerLogResponse": "",
    "ContainerConfig": "metadata=1:ContainerMetadata image=2:ImageSpec command=3:s* args=4:s* working_dir=5:s "
                       "envs=6:KeyValue* mounts=7:Mount* labels=9:m annotations=10:m log_path=11:s stdin=12 tty=14 "
                       "linux=15:LinuxContainerConfig",
    "ContainerMetadata": "name=1:s attempt=2",
    "ImageSpec": "image=1:s",
    "KeyValue": "key=1:s value=2:s",
    "Mount": "container_path=1:s host_path=2:s readonly=3 propagation=5 uidMappings=6:IDMapping* gidMappings=7:IDMapping* "
             "recursive_read_only=8",
    "LinuxContainerConfig": "resources=1:LinuxContainerResources security_context=2:LinuxContainerSecurityContext",
    "LinuxContainerResources": "cpu_period=1 cpu_quota=2 cpu_shares=3 memory_limit_in_bytes=4 oom_score_adj=5 "
                               "cpuset_cpus=6:s cpuset_mems=7:s unified=9:m memory_swap_limit_in_bytes=10",
    "LinuxContainerSecurityContext": "capabilities=1:Capability privileged=2 namespace_options=3:NamespaceOption "
                                     "run_as_user=5:Int64Value readonly_rootfs=7 no_new_privs=11 masked_paths=13:s* "
                                     "readonly_paths=14:s* seccomp=15:SecurityProfile",
    "Capability": "add_capabilities=1:s* drop_capabilities=2:s*",
    "Int64Value": "value=1", "UInt64Value": "value=1",

    "ExecSyncRequest": "container_id=1:s cmd=2:s* timeout=3",
    "ExecSyncResponse": "stdout=1:b stderr=2:b exit_code=3",
    "ExecRequest": "container_id=1:s cmd=2:s* tty=3 stdin=4 stdout=5 stderr=6", "ExecResponse": "url=1:s",

    "ContainerStatsRequest": "container_id=1:s", "ContainerStatsResponse": "stats=1:ContainerStats",
    "ContainerStats": "attributes=1:ContainerAttributes cpu=2:CpuUsage memory=3:MemoryUsage",
    "ContainerAttributes": "id=1:s",
    "CpuUsage": "timestamp=1 usage_core_nano_seconds=2:UInt64Value",
    "MemoryUsage": "timestamp=1 working_set_bytes=2:UInt64Value available_bytes=3:UInt64Value usage_bytes=4:UInt64Value",

    "ImageStatusRequest": "image=1:ImageSpec", "ImageStatusResponse": "image=1:Image", "Image": "id=1:s",
}.items()}


def schema(name):
    """(name, number, type, repeated) of each field."""
    for word in SCHEMA[name]:
        field, _, rest = word.partition("=")
        number, _, kind = rest.partition(":")
        yield field, int(number), kind.removesuffix("*"), kind.endswith("*")


def encode(name, values):
    known = {field: (number, kind) for field, number, kind, _ in schema(name)}
    out = {}
    for field, value in values.items():
        number, kind = known[field]
        if kind == "m":
            value = [{1: key, 2: one} for key, one in value.items()]
        elif kind in SCHEMA:
            value = [encode(kind, one) for one in value] if isinstance(value, list) else encode(kind, value)
        out[number] = value
    return message(out)


def decode(name, data):
    """Every field of the schema, with its default where it is absent; None for a message."""
    known, out = {}, {}
    for field, number, kind, repeated in schema(name):
        known[number] = field, kind, repeated
        out[field] = [] if repeated else {"": 0, "s": "", "b": b"", "m": {}}.get(kind)
    for number, value in pairs(data):
        if number not in known:
            continue
        field, kind, repeated = known[number]
        if kind == "m":
            entry = dict(pairs(value))
            out[field] = out[field] | {entry.get(1, b"").decode(): entry.get(2, b"").decode()}
            continue
        if kind == "":
            value -= (value >> 63) << 64
        elif kind == "s":
            value = value.decode()
        elif kind != "b":
            value = decode(kind, value)
        out[field] = out[field] + [value] if repeated else value
    return out


class CriError(Exception):
    def __init__(self, error):
        super().__init__(f"{error.code()}: {error.details()}")
        self.code, self.text = error.code(), error.details()


class Client:
    def __init__(self, path):
        # A name of the node's own proxy settings, or a back-off of minutes, has no place here.
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_reconnect_backoff_ms", 200)]
        self.channel = grpc.insecure_channel("unix:" + path, options=options)

    def close(self):
        self.channel.close()

    def call(self, method, service="RuntimeService", **fields):
        """The decoded answer, a dictionary; CriError."""
        remote = self.channel.unary_unary(f"/runtime.v1.{service}/{method}")
        try:
            answer = remote(encode(method + "Request", fields), timeout=60)
        except grpc.RpcError as error:
            raise CriError(error) from None
        return decode(method + "Response", answer)


class Stream:
    """A streaming exec, over the WebSocket (RFC 6455) that the plug-in's URL leads to: each frame's first byte is a channel."""

    STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)

    def __init__(self, url):
        address = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=20)
        self.socket.sendall((f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nOrigin: http://localhost\r\n"
                             f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
                             "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        head = self.file.readline()
        while self.file.readline() not in (b"\r\n", b""):
            pass
        assert b" 101 " in head, head
        self.received = {}

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, channel, data):
        payload = bytes([channel]) + data
        assert len(payload) < 126
        # A client's frames are masked; with zeros they stay as they are.
        self.socket.sendall(bytes([0x82, 0x80 | len(payload), 0, 0, 0, 0]) + payload)

    def frame(self):
        """False: the other side has ended."""
        head = self.file.read(2)
        if len(head) < 2 or head[0] & 0xF == 8:
            return False
        size = head[1] & 0x7F
        if size > 125:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        data = self.file.read(size)
        if data:
            self.received[data[0]] = self.received.get(data[0], b"") + data[1:]
        return True

    def expect(self, pattern):
        while not re.search(pattern, self.received.get(self.STDOUT, b"")):
            assert self.frame(), self.received

    def exit_code(self):
        while self.frame():
            pass
        status = json.loads(self.received[self.ERROR])
        if status["status"] == "Success":
            return 0
        return int(next(cause["message"] for cause in status["details"]["causes"] if cause["reason"] == "ExitCode"))
