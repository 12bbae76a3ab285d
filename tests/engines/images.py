"""Container images made on the spot: busybox, and Debian services by debootstrap.

An image is one tar archive that is both a `docker save` archive and an OCI layout, so that
`docker load` and `ctr image import` take the same file. The Debian images share a base layer and add
one layer each, because gabion rebuilds an engine's overlay from its layers and one layer would not
show that. Layers are cached under the hash of their recipe.
"""

import fcntl
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile

CACHE = os.environ.get("GABION_TEST_CACHE", "/var/cache/gabion-tests")
SUITE = "bookworm"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
EPOCH = "1970-01-01T00:00:00Z"

# The entry points do what the services' well-known public images do: start as root, give the data
# directory to the service's user, then become that user.
REDIS_ENTRY = """#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
  find . ! -user redis -exec chown redis '{}' +
  exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi
exec "$@"
"""

POSTGRES_ENTRY = """#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres "$PGDATA"
  chmod 700 "$PGDATA"
  chown postgres:postgres /var/run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  /usr/lib/postgresql/15/bin/initdb -D "$PGDATA" -A trust --no-sync >/dev/null
  echo 'host all all all trust' >> "$PGDATA/pg_hba.conf"
fi
exec "$@"
"""

NODE_SERVER = """// A page made by a worker thread.
const http = require('http');
const { Worker } = require('worker_threads');

http.createServer((request, response) => {
  const worker = new Worker("require('worker_threads').parentPort.postMessage('served by node\\\\n')", { eval: true });
  worker.once('message', text => response.end(text));
  worker.once('error', error => response.destroy(error));
}).listen(8000);
process.on('SIGTERM', () => process.exit(0));
"""

JAVA_SERVER = """import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

public class Page {
  public static void main(String[] args) throws Exception {
    HttpServer server = HttpServer.create(new InetSocketAddress(8000), 0);
    server.setExecutor(Executors.newFixedThreadPool(4));
    server.createContext("/", exchange -> {
      byte[] page = "served by java\\n".getBytes();
      exchange.sendResponseHeaders(200, page.length);
      exchange.getResponseBody().write(page);
      exchange.close();
    });
    server.start();
  }
}
"""

RECIPES = {
    "nginx": {
        "packages": ["nginx-light"],
        "files": {"/var/www/html/index.html": "page of the image\n"},
        "finish": "ln -sf /dev/stdout /var/log/nginx/access.log && "
                  "ln -sf /dev/stderr /var/log/nginx/error.log",
        "config": {"Cmd": ["nginx", "-g", "daemon off;"], "ExposedPorts": {"80/tcp": {}},
                   "StopSignal": "SIGQUIT"},
    },
    "redis": {
        "packages": ["redis-server"],
        "files": {"/usr/local/bin/entry": REDIS_ENTRY},
        "finish": "mkdir /data && chown redis:redis /data",
        "config": {"Entrypoint": ["entry"], "WorkingDir": "/data", "Volumes": {"/data": {}},
                   "Cmd": ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no",
                           "--appendonly", "yes"],
                   "ExposedPorts": {"6379/tcp": {}}},
    },
    "postgres": {
        "packages": ["postgresql-15"],
        "files": {"/usr/local/bin/entry": POSTGRES_ENTRY},
        "before": "mkdir -p /etc/postgresql-common && "
                  "echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf",
        "config": {"Entrypoint": ["entry"], "Volumes": {"/var/lib/postgresql/data": {}},
                   "Cmd": ["/usr/lib/postgresql/15/bin/postgres", "-c", "listen_addresses=*"],
                   "Env": ["PGDATA=/var/lib/postgresql/data"], "StopSignal": "SIGINT",
                   "ExposedPorts": {"5432/tcp": {}}},
    },
    "python": {
        "packages": ["python3"],
        "files": {"/srv/www/index.html": "served by python\n"},
        "config": {"Cmd": ["python3", "-m", "http.server", "8000"], "WorkingDir": "/srv/www",
                   "ExposedPorts": {"8000/tcp": {}}},
    },
    "node": {
        "packages": ["nodejs"],
        "files": {"/srv/server.js": NODE_SERVER},
        "config": {"Cmd": ["node", "/srv/server.js"], "ExposedPorts": {"8000/tcp": {}}},
    },
    "java": {
        # With its compiler, so that a program needs no build of its own; without what only builds runtimes.
        "packages": ["openjdk-17-jdk-headless"],
        "files": {"/srv/Page.java": JAVA_SERVER},
        "finish": "rm -rf /usr/lib/jvm/*/jmods /usr/lib/jvm/*/lib/ct.sym",
        "config": {"Cmd": ["java", "/srv/Page.java"], "ExposedPorts": {"8000/tcp": {}}},
    },
}


def run(*command, **options):
    """Runs a command; its output appears only in the error of a failure."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, check=False, **options)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {result.returncode}\n{result.stdout[-4000:]}")
    return result.stdout


# --- archives ----------------------------------------------------------------------------------

def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_archive(path, name, layers, config):
    """Writes the image `name` (with a tag), made of layer tar files, lowest first."""
    digests = [_sha256(layer) for layer in layers]
    config = dict(config)
    config["Env"] = [PATH] + config.get("Env", [])
    image = json.dumps({
        "created": EPOCH, "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{d}" for d in digests]},
        "history": [{"created": EPOCH, "created_by": "gabion tests"} for _ in digests],
    }).encode()
    image_digest = hashlib.sha256(image).hexdigest()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                   "digest": f"sha256:{image_digest}", "size": len(image)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{d}",
                    "size": os.path.getsize(l)} for d, l in zip(digests, layers)],
    }).encode()
    manifest_digest = hashlib.sha256(manifest).hexdigest()
    index = json.dumps({
        "schemaVersion": 2,
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                       "digest": f"sha256:{manifest_digest}", "size": len(manifest),
                       "platform": {"architecture": "amd64", "os": "linux"},
                       "annotations": {"io.containerd.image.name": f"docker.io/library/{name}",
                                       "org.opencontainers.image.ref.name": name.split(":")[1]}}],
    }).encode()
    docker = json.dumps([{"Config": f"blobs/sha256/{image_digest}", "RepoTags": [name],
                          "Layers": [f"blobs/sha256/{d}" for d in digests]}]).encode()
    with tarfile.open(path, "w") as archive:
        def add(member, data):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            info.mode = 0o644
            archive.addfile(info, io.BytesIO(data))
        add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add("index.json", index)
        add("manifest.json", docker)
        add(f"blobs/sha256/{image_digest}", image)
        add(f"blobs/sha256/{manifest_digest}", manifest)
        for digest, layer in zip(digests, layers):
            archive.add(layer, f"blobs/sha256/{digest}")
    return path


def write_layer(path, directory):
    """Writes an overlay's upper directory as an image layer: 0:0 devices become .wh. files, and an
    opaque directory gets its .wh..wh..opq (image-spec, layer.md)."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        def whiteout(member):
            archive.addfile(tarfile.TarInfo(member))

        def walk(relative):
            for entry in sorted(os.scandir(os.path.join(directory, relative)), key=lambda e: e.name):
                member = os.path.join(relative, entry.name)
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
                    whiteout(os.path.join(relative, ".wh." + entry.name))
                    continue
                if stat.S_ISSOCK(info.st_mode):
                    continue
                archive.add(entry.path, member, recursive=False)
                if stat.S_ISDIR(info.st_mode):
                    try:
                        if os.getxattr(entry.path, "trusted.overlay.opaque") == b"y":
                            whiteout(os.path.join(member, ".wh..wh..opq"))
                    except OSError:
                        pass
                    walk(member)
        walk("")


# --- images ------------------------------------------------------------------------------------

def busybox_tree(directory):
    """A root filesystem of Debian's static busybox, all applets linked."""
    for name in ("bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "run", "var/log",
                 "var/tmp", "usr/bin", "home/app"):
        os.makedirs(os.path.join(directory, name), exist_ok=True)
    shutil.copy("/bin/busybox", os.path.join(directory, "bin/busybox"))
    for applet in run("/bin/busybox", "--list").split():
        link = os.path.join(directory, "bin", applet)
        if not os.path.lexists(link):
            os.symlink("busybox", link)
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n",
        "etc/group": "root:x:0:\napp:x:1000:\naudio:x:29:\n",
        "etc/not-executable": "plain text\n",
        "var/log/of-the-image": "from the image\n",
    }
    for name, text in files.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    os.chown(os.path.join(directory, "home/app"), 1000, 1000)
    os.chmod(os.path.join(directory, "tmp"), 0o1777)
    os.chmod(os.path.join(directory, "var/tmp"), 0o1777)


def busybox():
    """The archive of busybox:test. Two layers: the tools, and a directory owned by uid 1000."""
    def build(scratch, target):
        lower, upper = os.path.join(scratch, "lower"), os.path.join(scratch, "upper")
        busybox_tree(lower)
        data = os.path.join(upper, "seed/data")
        os.makedirs(data)
        with open(os.path.join(data, "seeded"), "w", encoding="utf-8") as file:
            file.write("from the image\n")
        for name in (data, os.path.join(data, "seeded")):
            os.chown(name, 1000, 1000)
        layers = []
        for tree in (lower, upper):
            layers.append(tree + ".tar")
            write_layer(layers[-1], tree)
        write_archive(target, "busybox:test", layers, {"Cmd": ["sh"]})
    with open(__file__, "rb") as recipe, open("/bin/busybox", "rb") as program:
        return cached("busybox", recipe.read() + program.read(), build)


def debian(name):
    """The archive of <name>:test, one of RECIPES."""
    recipe = RECIPES[name]
    base = cached("base", json.dumps([SUITE, _mirror()]), _debootstrap)
    layer = cached("layer-" + name, json.dumps([recipe, INSTALL, base]),
                    lambda scratch, target: _install(scratch, target, base, recipe))
    return cached("image-" + name, json.dumps([recipe, layer]),
                   lambda _, target: write_archive(target, f"{name}:test", [base, layer],
                                                   recipe["config"]))


def cached(name, recipe, build):
    """Path of the file `build(scratch, target)` makes for this recipe; older recipes are removed."""
    if isinstance(recipe, str):
        recipe = recipe.encode()
    os.makedirs(CACHE, mode=0o700, exist_ok=True)
    target = os.path.join(CACHE, f"{name}-{hashlib.sha256(recipe).hexdigest()[:16]}.tar")
    with open(os.path.join(CACHE, f".{name}.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(target):
            return target
        for old in os.listdir(CACHE):
            if old.startswith(name + "-") and old.endswith(".tar"):
                os.unlink(os.path.join(CACHE, old))
        with tempfile.TemporaryDirectory(dir=CACHE, prefix=f".{name}.") as scratch:
            build(scratch, target + ".part")
        os.rename(target + ".part", target)
    return target


def _mirror():
    """The Debian mirror this machine's apt uses for the suite."""
    listing = run("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)",
                  "Created-By: Packages")
    for line in listing.splitlines():
        release, uri = line.split()
        if release == SUITE and uri.rstrip("/").endswith("/debian"):
            return uri.rstrip("/")
    return "http://deb.debian.org/debian"


def _debootstrap(scratch, target):
    tree = os.path.join(scratch, "base")
    run("debootstrap", "--variant=minbase", SUITE, tree, _mirror())
    shutil.rmtree(os.path.join(tree, "var/cache/apt/archives"))
    os.makedirs(os.path.join(tree, "var/cache/apt/archives/partial"))
    for name in ("etc/hosts", "etc/resolv.conf"):
        with open(os.path.join(tree, name), "w", encoding="utf-8"):
            pass
    with open(os.path.join(tree, "etc/hostname"), "w", encoding="utf-8") as file:
        file.write("localhost\n")
    run("tar", "-C", tree, "--numeric-owner", "--xattrs", "-cf", target, ".")


# In a chroot on an overlay over the base. The name service files are the host's for the duration;
# policy-rc.d keeps the packages from starting what they install.
INSTALL = r"""
set -eu
merged=$1; before=$2; finish=$3; shift 3
for name in hosts resolv.conf; do mount --bind /etc/$name "$merged/etc/$name"; done
mount -t proc proc "$merged/proc"
mount --rbind /dev "$merged/dev"
printf '#!/bin/sh\nexit 101\n' > "$merged/usr/sbin/policy-rc.d"
chmod 755 "$merged/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$merged" sh -ec "$before"
chroot "$merged" apt-get -qq -o APT::Sandbox::User=root update
chroot "$merged" apt-get -qq -y -o APT::Sandbox::User=root -o Dpkg::Options::=--force-unsafe-io \
  install --no-install-recommends "$@"
rm -rf "$merged"/var/lib/apt/lists/* "$merged"/var/cache/apt/*.bin "$merged"/var/cache/apt/archives/*.deb
rm -rf "$merged"/var/log/apt "$merged"/var/log/*.log "$merged/usr/sbin/policy-rc.d"
chroot "$merged" sh -ec "$finish"
"""


def _install(scratch, target, base, recipe):
    trees = {name: os.path.join(scratch, name) for name in ("base", "upper", "work", "merged")}
    for tree in trees.values():
        os.makedirs(tree)
    run("tar", "-C", trees["base"], "--numeric-owner", "--xattrs", "-xpf", base)
    # A mount namespace of its own: whatever happens, no mount outlives the command.
    run("unshare", "--mount", "sh", "-euc",
        'mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"; '
        'merged=$4; shift 4; exec sh -c "$INSTALL_SCRIPT" install "$merged" "$@"',
        "overlay", trees["base"], trees["upper"], trees["work"], trees["merged"],
        recipe.get("before", "true"), recipe.get("finish", "true"), *recipe["packages"],
        env=dict(os.environ, INSTALL_SCRIPT=INSTALL))
    for name, text in recipe["files"].items():
        path = trees["upper"] + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755 if text.startswith("#!") else 0o644)
    write_layer(target, trees["upper"])


def build():
    """Builds what is not in the cache; the archive of each image by its name. With GABION_TEST_ARCHIVES, those that are
    in that directory instead, on a machine that has no way to build any."""
    if ready := os.environ.get("GABION_TEST_ARCHIVES"):
        return {name.removesuffix(".tar"): os.path.join(ready, name) for name in os.listdir(ready)}
    return {"busybox": busybox(), **{name: debian(name) for name in RECIPES}}


if __name__ == "__main__":
    print("\n".join(build().values()))
