"""Build examples/docker/Dockerfile without Docker: each instruction in a root of its own.

    python tests/examples/image.py BUNDLE WORK [--wheel edgembed.whl]

Needs root and debootstrap (Debian, Ubuntu), and a package index. Images cannot be pulled here:
debian:bookworm-slim is made by debootstrap, and made slim by that image's own rules; distroless'
Python is put together from the Debian packages that it is made of. What an instruction adds is
measured in bytes of files, as Docker counts. Then the image's own command runs in its read-only
root, and answers. Understands what that Dockerfile uses, and refuses the rest.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

DOCKERFILE = Path(__file__).parents[2] / "examples" / "docker" / "Dockerfile"
MOST = 250e6
_DEBIAN, _DISTROLESS = "debian:bookworm-slim", "gcr.io/distroless/python3-debian12:nonroot"
# Of GoogleContainerTools/distroless: base, cc and python3.
_PACKAGES = (
    "base-files ca-certificates dash libbz2-1.0 libc6 libcom-err2 libcrypt1 libdb5.3 libexpat1 "
    "libffi8 libgcc-s1 libgomp1 libgssapi-krb5-2 libk5crypto3 libkeyutils1 libkrb5-3 "
    "libkrb5support0 liblzma5 libncursesw6 libnsl2 libpython3.11-minimal libpython3.11-stdlib "
    "libreadline8 libsqlite3-0 libssl3 libstdc++6 libtinfo6 libtirpc3 libuuid1 media-types netbase "
    "python3-distutils python3.11-minimal tzdata zlib1g"
)
_PORT = 38157
# What the slim images leave out (debuerreotype's .slimify-excludes), now and of later packages.
_EXCLUDED = ("doc", "doc-base", "groff", "info", "linda", "lintian", "locale", "man")
_ENTER = """
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
share() {{ if [ -e "$1" ]; then touch "$ROOT$2" && mount --bind "$1" "$ROOT$2"; fi; }}
if {network}; then
  share /etc/resolv.conf /etc/resolv.conf
  share /etc/hosts /etc/hosts
  share "$CERTIFICATES" /etc/certificates-of-the-host
fi
{then}
mount -t proc proc "$ROOT/proc" && mount --rbind /dev "$ROOT/dev"
exec chroot {user} "$ROOT" "$@"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--wheel", type=Path, help="edgembed's, where no index has it")
    options = parser.parse_args()
    build = Build(options.work.absolute(), options.bundle.absolute(), options.wheel)
    for instruction in instructions(DOCKERFILE.read_text()):
        build.run(*instruction)
    whole = sum(size for _, size in build.layers)
    for what, size in build.layers:
        print(f"{size / 1e6:8.1f} MB  {what}")
    print(f"{whole / 1e6:8.1f} MB  in all")
    build.try_it()
    assert whole < MOST, f"{whole} bytes are too many"


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """(name, rest) of each."""
    for line in re.sub(r"\\\n", "", text).splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            yield name, rest.strip()


class Build:
    """Stages as folders; the layers and the settings of the last one."""

    def __init__(self, work: Path, bundle: Path, wheel: Path | None) -> None:
        self._work, self._bundle, self._wheel = work, bundle, wheel
        self._stage, self._arguments = work / "none", dict[str, str]()
        self.layers: list[tuple[str, int]] = []
        self.user, self.command = "0:0", list[str]()
        work.mkdir(parents=True, exist_ok=True)

    def run(self, name: str, rest: str) -> None:
        """One instruction."""
        method = getattr(self, f"_{name.lower()}", None)
        assert method is not None, f"{name} is not understood here"
        method(rest)

    def _from(self, rest: str) -> None:
        source, _, own = rest.partition(" AS ")
        base = {_DEBIAN: self._debian, _DISTROLESS: self._distroless}[source]()
        self.layers = [(source, size_of(base))]
        self._stage = self._work / (own or "last")
        shutil.rmtree(self._stage, ignore_errors=True)
        subprocess.run(["cp", "-a", base, self._stage], check=True)

    def _distroless(self) -> Path:
        root, debian = self._work / "distroless", self._work / "debian.with-packages"
        self.user = "65532:65532"
        if not root.is_dir():
            shutil.rmtree(debian, ignore_errors=True)
            subprocess.run(["cp", "-a", self._debian(), debian], check=True)
            fetch = f"apt-get update && cd /root && apt-get download {_PACKAGES} && mkdir /new"
            unpack = 'for one in *.deb; do dpkg -x "$one" /new; done; rm -rf /new/usr/share/doc'
            enter(debian, ["sh", "-ec", f"{fetch}; {unpack}"], variables={}, network=True)
            for name in ("proc", "dev"):
                (debian / "new" / name).mkdir(exist_ok=True)
            (debian / "new").rename(root)
        return root

    def _debian(self) -> Path:
        base = self._work / "debian"
        if not base.is_dir():
            draft = self._work / "debian.draft"
            shutil.rmtree(draft, ignore_errors=True)
            release = _DEBIAN.partition(":")[2].partition("-")[0]
            subprocess.run(["debootstrap", "--variant=minbase", release, draft], check=True)
            _slim(draft)
            draft.rename(base)
        return base

    def _arg(self, rest: str) -> None:
        name, _, value = rest.partition("=")
        (default,) = shlex.split(value)
        if name == "EDGEMBED" and self._wheel is not None:
            shutil.copy(self._wheel, self._stage / "root")
            default = f"/root/{self._wheel.name}[serve]"
        self._arguments[name] = default

    def _run(self, rest: str) -> None:
        before = size_of(self._stage)
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        if "PIP_CERT" in pip:
            pip |= {"CERTIFICATES": pip["PIP_CERT"], "PIP_CERT": "/etc/certificates-of-the-host"}
        enter(self._stage, ["sh", "-c", rest], network=True, variables=pip | self._arguments)
        self.layers.append((f"RUN {rest[:60]}", size_of(self._stage) - before))

    def _copy(self, rest: str) -> None:
        source, *places = shlex.split(rest)
        folder = self._bundle.parent
        if source.startswith("--from="):
            folder = self._work / source.partition("=")[2]
            source, *places = places
        (target,) = places
        origin = self._bundle if source == "bundle" else folder / source.lstrip("/")
        before = size_of(self._stage)
        subprocess.run(["cp", "-a", "-L", origin, self._stage / target.lstrip("/")], check=True)
        self.layers.append((f"COPY {rest}", size_of(self._stage) - before))

    def _expose(self, rest: str) -> None:
        assert rest == "3000"

    def _entrypoint(self, rest: str) -> None:
        self.command = json.loads(rest)

    def try_it(self) -> None:
        """The image's command, as its user, in a read-only root, until it has answered."""
        began = time.monotonic()
        process = enter(
            self._stage, self.command, variables={"PORT": str(_PORT)}, user=self.user, wait=False
        )
        try:
            body = json.dumps({"inputs": "a"}).encode()
            request = urllib.request.Request(
                f"http://127.0.0.1:{_PORT}/embed", body, {"Content-Type": "application/json"}
            )
            (vector,) = json.load(_patiently(request, process))
            print(
                f"answers {len(vector)} numbers, {time.monotonic() - began:.1f} s after its start"
            )
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0


def _patiently(request: urllib.request.Request, process: subprocess.Popen[bytes]) -> object:
    while process.poll() is None:
        with contextlib.suppress(urllib.error.URLError):  # it does not listen yet
            return urllib.request.urlopen(request)
        time.sleep(0.1)
    raise AssertionError("it has ended")


def enter(
    root: Path,
    command: list[str],
    *,
    variables: dict[str, str],
    network: bool = False,
    user: str = "0:0",
    wait: bool = True,
) -> subprocess.Popen[bytes]:
    """A command in a root; what is mounted for it is seen by nobody else."""
    then = ":" if network else 'mount -o remount,bind,ro "$ROOT"'
    script = _ENTER.format(
        network="true" if network else "false", then=then, user=f"--userspec={user}"
    )
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-ec", script, "sh", *command],
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "ROOT": str(root),
            **variables,
        },
    )
    if wait:
        assert process.wait() == 0, command
    return process


def _slim(root: Path) -> None:
    lines = []
    for name in _EXCLUDED:
        lines.append(f"path-exclude /usr/share/{name}/*")
        for path in (root / "usr" / "share" / name).rglob("*"):
            if path.is_file() and path.name != "copyright":
                path.unlink()
    lines.append("path-include /usr/share/doc/*/copyright")
    (root / "etc" / "dpkg" / "dpkg.cfg.d" / "docker").write_text("\n".join(lines) + "\n")
    for pattern in ("var/cache/apt/archives/*.deb", "var/lib/apt/lists/*", "var/log/*"):
        for path in root.glob(pattern):
            if path.is_file():
                path.unlink()


def size_of(folder: Path) -> int:
    """Bytes of all files, each counted once."""
    found = (path.lstat() for path in folder.rglob("*"))
    return sum({i.st_ino: i.st_size for i in found if not stat.S_ISDIR(i.st_mode)}.values())


if __name__ == "__main__":
    sys.exit(main())
