import base64
import bz2
import gzip
import io
import json
import lzma
import tarfile
import zlib

import pytest
import yaml

from provisioning import contents


def packed(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_an_archive_in_cloud_config_opens_file_by_file(compress):
    config = {
        "write_files": [
            {
                "path": "/var/bundle",
                "encoding": "b64",
                "content": packed(compress(archive(env="A=1\n", start="run\n"))),
            },
            {"path": "/etc/plain", "content": "text"},
        ],
        "runcmd": [["a", "b"]],
    }
    assert contents.parts(packed("#cloud-config\n" + yaml.safe_dump(config))) == {
        "/var/bundle!env": "A=1\n",
        "/var/bundle!start": "run\n",
        "/etc/plain": "text",
        "runcmd": '[["a", "b"]]',
    }


def test_bytes_as_yaml_writes_them_open_too():
    config = yaml.safe_dump({"write_files": [{"path": "/b", "content": gzip.compress(b"inner", mtime=0)}]})
    assert contents.parts(packed("#cloud-config\n" + config)) == {"/b": "inner"}


def test_what_cannot_be_opened_is_told_by_length_and_checksum():
    for content in (b"\xff\xfe\xfd", b"\x1f\x8bno gzip after all", b"\xfd7zXZ\x00nor xz", b"BZh\xffnor bzip2"):
        assert contents.parts(packed(content)) == {"": f"{len(content)} bytes, CRC {zlib.crc32(content):08x}"}


def test_what_is_not_base64_stands_as_it_is():
    assert contents.parts("echo hello") == {"": "echo hello"}


def test_nested_values_become_paths_and_json_texts_are_opened():
    value = {"tags": {"team": "a"}, "list": [1, {"x": 2}], "policy": json.dumps({"Version": "1"}), "none": {}}
    assert contents.flat(value) == {
        "tags.team": "a",
        "list[0]": 1,
        "list[1].x": 2,
        "policy.Version": "1",
        "none": {},
    }
    assert contents.flat("{not json", "key") == {"key": "{not json"}
