"""Services from Debian packages, run unchanged: data written, served, and still there after restart."""

import socket
import time

from engine import BRIDGE, IS_GABION, DockerCase, docker, eventually


class Services(DockerCase):
    def test_nginx(self):
        image = self.node.image("nginx")
        name = self.daemon(image=image, options=("-p", "18090:80"))
        self.await_page(18090, "page of the image\n")
        self.assert_in_logs(name, "GET / HTTP/1.1")
        self.assert_hardened(name)
        workers = docker("exec", name, "sh", "-c", "stat -c %u /proc/[0-9]*").out
        self.assertIn("33", workers.split(), "the workers are www-data")
        docker("exec", name, "nginx", "-s", "reload")
        self.await_page(18090, "page of the image\n")
        docker("stop", "-t", "20", name)
        self.assertEqual(self.inspect(name, ".State.ExitCode"), "0")

    def test_nginx_with_its_page_on_a_volume(self):
        image = self.node.image("nginx")
        volume = self.volume()
        name = self.daemon(image=image, options=("-p", "18091:80", "-v", f"{volume}:/var/www/html"))
        self.await_page(18091, "page of the image\n")
        docker("exec", name, "sh", "-c", "echo new page > /var/www/html/index.html")
        self.await_page(18091, "new page\n")
        docker("restart", "-t", "20", name)
        self.await_page(18091, "new page\n")

    def redis(self, port, *words):
        """One command and its reply, in redis's own protocol."""
        with socket.create_connection((BRIDGE, port), timeout=5) as connection:
            message = f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)
            connection.sendall(message.encode())
            time.sleep(0.05)
            return connection.recv(65536).decode()

    def redis_ready(self, port):
        def ready():
            try:
                return self.redis(port, "PING") == "+PONG\r\n"
            except OSError:
                return False
        try:
            eventually(ready, "redis answering")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{docker('logs', self.name()).out}") from None

    def test_redis(self):
        image = self.node.image("redis")
        volume = self.volume()
        options = ("-p", "16379:6379", "-v", f"{volume}:/data")
        name = self.daemon(image=image, options=options)
        self.redis_ready(16379)
        self.assertEqual(self.redis(16379, "SET", "stone", "basalt"), "+OK\r\n")
        self.assert_hardened(name)
        self.assertNotEqual(docker("exec", name, "stat", "-c", "%u", "/proc/1").out, "0", "still root")
        docker("exec", name, "redis-cli", "BGSAVE")
        docker("restart", "-t", "20", name)
        self.redis_ready(16379)
        self.assertEqual(self.redis(16379, "GET", "stone"), "$6\r\nbasalt\r\n")
        docker("rm", "-f", name)
        self.daemon(image=image, options=options)
        self.redis_ready(16379)
        self.assertEqual(self.redis(16379, "GET", "stone"), "$6\r\nbasalt\r\n")

    def sql(self, query):
        return docker("exec", "-u", "postgres", self.name(), "psql", "-h", "127.0.0.1", "-Atc", query, check=False)

    def sql_ready(self):
        try:
            eventually(lambda: self.sql("select 1").out == "1", "PostgreSQL answering", 90)
        except AssertionError as error:
            result = docker("logs", self.name())
            raise AssertionError(f"{error}\n{result.out}\n{result.err}") from None

    def test_postgresql(self):
        image = self.node.image("postgres")
        volume = self.volume()
        options = ("-p", "15432:5432", "-v", f"{volume}:/var/lib/postgresql/data", "--shm-size", "128m")
        name = self.daemon(image=image, options=options)
        self.sql_ready()
        self.assertEqual(self.sql("create table stones(name text, weight int)").code, 0)
        self.assertEqual(self.sql("insert into stones select 'basalt', n from generate_series(1, 20000) n").out,
                         "INSERT 0 20000")
        self.assertEqual(self.sql("set max_parallel_workers_per_gather = 2; set min_parallel_table_scan_size = 0; "
                                  "select count(*), sum(weight) from stones").out.splitlines()[-1], "20000|200010000")
        self.assert_hardened(name)
        self.assertEqual(docker("exec", name, "stat", "-c", "%U", "/var/lib/postgresql/data/PG_VERSION").out,
                         "postgres")
        with socket.create_connection((BRIDGE, 15432), timeout=5) as connection:
            connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")  # SSLRequest: S or N answers
            self.assertIn(connection.recv(1), (b"S", b"N"))
        docker("restart", "-t", "60", name)
        self.sql_ready()
        self.assertEqual(self.sql("select count(*) from stones").out, "20000")
        docker("rm", "-f", name)  # a crash: recovery from the write-ahead log
        self.daemon(image=image, options=options)
        self.sql_ready()
        self.assertEqual(self.sql("select count(*) from stones").out, "20000")

    def test_python_web_server_as_a_user(self):
        image = self.node.image("python")
        volume = self.volume()
        name = self.daemon(image=image, options=("-p", "18092:8000", "--user", "1000:1000", "-v", f"{volume}:/srv/www"))
        self.await_page(18092, "served by python\n")
        self.assert_hardened(name)
        docker("restart", "-t", "1", name)
        self.await_page(18092, "served by python\n")

    def test_python_threads_processes_and_files(self):
        image = self.node.image("python")
        script = ("import concurrent.futures as f, multiprocessing as m, tempfile, sqlite3, ssl, subprocess\n"
                  "print(sum(f.ThreadPoolExecutor(8).map(abs, range(100))))\n"
                  "print(sum(m.Pool(2).map(abs, range(100))))\n"
                  "print(subprocess.check_output(['echo', 'child']).decode().strip())\n"
                  "d = sqlite3.connect(tempfile.mktemp()); d.execute('create table t(x)'); d.commit(); print('db')\n")
        self.assertEqual(docker("run", "--rm", image, "python3", "-c", script).out.split(), ["4950", "4950", "child", "db"])

    def test_node(self):
        image = self.node.image("node")
        name = self.daemon(image=image, options=("-p", "18095:8000"))
        self.await_page(18095, "served by node\n")
        self.assert_hardened(name)
        docker("restart", "-t", "20", name)
        self.await_page(18095, "served by node\n")

    def test_jvm(self):
        image = self.node.image("java")
        name = self.daemon(image=image, options=("-p", "18096:8000"))
        self.await_page(18096, "served by java\n")
        self.assert_hardened(name)
        docker("restart", "-t", "20", name)
        self.await_page(18096, "served by java\n")

    def test_debian_shell(self):
        """What people do by hand in a Debian image; writing outside volatile paths is gabion's to refuse."""
        image = self.node.image("python")
        result = docker("run", "--rm", image, "bash", "-c",
                        "set -e; id -un; cat /etc/debian_version; getent passwd www-data; ls / | wc -l; "
                        "mktemp; sort /etc/passwd | head -1; dpkg -l | wc -l; setpriv --reuid=33 --clear-groups id -u; "
                        "perl -e 'print 6*7'")
        self.assertTrue(result.out.startswith("root\n12."), result)
        self.assertTrue(result.out.endswith("\n33\n42"), result)
        write = docker("run", "--rm", image, "touch", "/usr/x", check=False)
        self.assertEqual(write.code != 0, IS_GABION)
