#!/usr/bin/env python3
"""S3 conformance of a running store, through boto3: everything the gateway offers, each answer checked.

    roundtrip.py --endpoint http://127.0.0.1:9000 --access-key K --secret-key S [--second-endpoint URL] [--only NAME]

Makes buckets of its own and removes them. Exits with 0 when every check held, prints what failed otherwise. With a
second endpoint, reads go there: several gateways must show the same store.
"""

import argparse
import base64
import binascii
import hashlib
import io
import json
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.client import Config
from botocore.exceptions import ClientError

MIB = 1 << 20
CASES = []


def case(function):
    """Registers a check; each gets a fresh bucket."""
    CASES.append(function)
    return function


def pattern(size, seed=1):
    """Bytes that differ from place to place."""
    block = hashlib.sha256(str(seed).encode()).digest() * 2048  # 64 KiB
    out = bytearray()
    counter = 0
    while len(out) < size:
        out += counter.to_bytes(8, "big") + block
        counter += 1
    return bytes(out[:size])


def code_of(function, *args, **kwargs):
    """The error code and status a call ends with; fails when it succeeds."""
    try:
        function(*args, **kwargs)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError("the call succeeded, but should not have")


class TooOld(Exception):
    """The installed boto3 cannot say what a check needs."""


def need(client, **parameters):
    """Ends a check, not as a failure, when this boto3 does not know a parameter of an operation."""
    for operation, names in parameters.items():
        known = client.meta.service_model.operation_model(operation).input_shape.members
        for name in names.split():
            if name not in known:
                raise TooOld(f"boto3 {boto3.__version__} does not know {name} of {operation}")


def same(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what}: found {str(found)[:300]!r}, expected {str(expected)[:300]!r}")


class World:
    """Clients and a bucket."""

    def __init__(self, options):
        self.options = options
        self.s3 = self.client()
        self.reader = self.client(endpoint=options.second_endpoint or options.endpoint)
        self.bucket = f"roundtrip-{uuid.uuid4().hex[:12]}"

    def client(self, endpoint=None, access_key=None, secret_key=None, region=None, **config):
        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.options.endpoint,
            aws_access_key_id=access_key or self.options.access_key,
            aws_secret_access_key=secret_key or self.options.secret_key,
            region_name=region or self.options.region,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"max_attempts": 5, "mode": "standard"},
                connect_timeout=5,
                read_timeout=60,
                **config,
            ),
        )

    def __enter__(self):
        self.s3.create_bucket(Bucket=self.bucket)
        return self

    def __exit__(self, *_):
        for upload in self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []):
            self.s3.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            keys = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
            if keys:
                self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": keys, "Quiet": True})
        self.s3.delete_bucket(Bucket=self.bucket)

    def put(self, key, body=b"x", **more):
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def get(self, key, **more):
        answer = self.reader.get_object(Bucket=self.bucket, Key=key, **more)
        answer["Bytes"] = answer["Body"].read()
        return answer


@case
def buckets(w):
    same(code_of(w.s3.create_bucket, Bucket=w.bucket), ("BucketAlreadyOwnedByYou", 409))
    names = [b["Name"] for b in w.reader.list_buckets()["Buckets"]]
    assert w.bucket in names, names
    w.reader.head_bucket(Bucket=w.bucket)
    same(code_of(w.reader.head_bucket, Bucket=w.bucket + "-absent"), ("404", 404))
    same(code_of(w.s3.put_object, Bucket=w.bucket + "-absent", Key="k", Body=b""), ("NoSuchBucket", 404))
    location = w.reader.get_bucket_location(Bucket=w.bucket)["LocationConstraint"]
    assert location in (None, w.options.region), location
    same(w.reader.get_bucket_versioning(Bucket=w.bucket).get("Status"), None)
    same(w.reader.get_bucket_acl(Bucket=w.bucket)["Grants"][0]["Permission"], "FULL_CONTROL")
    same(code_of(w.reader.get_bucket_policy, Bucket=w.bucket), ("NoSuchBucketPolicy", 404))
    w.put("k")
    same(code_of(w.s3.delete_bucket, Bucket=w.bucket), ("BucketNotEmpty", 409))


@case
def objects_of_many_sizes(w):
    for size in (0, 1, 4095, 4096, 4097, 65536, 65537, MIB, 8 * MIB, 8 * MIB + 1, 20 * MIB + 3):
        data = pattern(size, size)
        answer = w.put(f"size/{size}", data)
        same(answer["ETag"], '"%s"' % hashlib.md5(data).hexdigest(), "ETag")
        back = w.get(f"size/{size}")
        assert back["Bytes"] == data, f"{size} bytes differ"
        same(back["ContentLength"], size)
        same(back["ETag"], answer["ETag"])
    same(w.reader.head_object(Bucket=w.bucket, Key="size/4097")["ContentLength"], 4097)
    w.put("size/1", b"other")
    same(w.get("size/1")["Bytes"], b"other", "overwritten")
    same(code_of(w.reader.get_object, Bucket=w.bucket, Key="absent"), ("NoSuchKey", 404))
    same(code_of(w.reader.head_object, Bucket=w.bucket, Key="absent"), ("404", 404))


@case
def headers_and_metadata(w):
    w.put(
        "k",
        b"x",
        ContentType="text/plain; charset=utf-8",
        ContentEncoding="gzip",
        ContentDisposition='attachment; filename="k"',
        ContentLanguage="de",
        CacheControl="max-age=5",
        Expires="Wed, 21 Oct 2065 07:28:00 GMT",
        Metadata={"colour": "blue", "empty": ""},
        Tagging="a=1&b=two%20words",
    )
    head = w.reader.head_object(Bucket=w.bucket, Key="k")
    same(head["ContentType"], "text/plain; charset=utf-8")
    same(head["ContentEncoding"], "gzip")
    same(head["ContentDisposition"], 'attachment; filename="k"')
    same(head["ContentLanguage"], "de")
    same(head["CacheControl"], "max-age=5")
    same(head["Metadata"].get("colour"), "blue")
    assert abs(head["LastModified"].timestamp() - time.time()) < 600, head["LastModified"]
    overridden = w.get("k", ResponseContentType="image/png", ResponseCacheControl="no-store")
    same((overridden["ContentType"], overridden["CacheControl"]), ("image/png", "no-store"))
    tags = {t["Key"]: t["Value"] for t in w.reader.get_object_tagging(Bucket=w.bucket, Key="k")["TagSet"]}
    same(tags, {"a": "1", "b": "two words"})
    same(code_of(w.put, "big", b"", Metadata={"a": "x" * 3000}), ("MetadataTooLarge", 400))


@case
def tagging(w):
    w.put("k")
    w.s3.put_object_tagging(Bucket=w.bucket, Key="k", Tagging={"TagSet": [{"Key": "p", "Value": "q"}]})
    same(w.reader.get_object_tagging(Bucket=w.bucket, Key="k")["TagSet"], [{"Key": "p", "Value": "q"}])
    w.s3.delete_object_tagging(Bucket=w.bucket, Key="k")
    same(w.reader.get_object_tagging(Bucket=w.bucket, Key="k")["TagSet"], [])
    many = [{"Key": str(i), "Value": ""} for i in range(11)]
    same(code_of(w.s3.put_object_tagging, Bucket=w.bucket, Key="k", Tagging={"TagSet": many})[1], 400)
    same(code_of(w.reader.get_object_tagging, Bucket=w.bucket, Key="absent"), ("NoSuchKey", 404))


@case
def keys_of_every_kind(w):
    keys = ["a", "a/b", "a/b/c", "a/", "a//b", "..", "../x", "a/../b", "./x", "/lead", "trail/", "sp ace", "pl+us",
            "per%cent", "q?u=e&r", "h#ash", "ümläut/日本語/🙂", "nl\nx", "tab\tx", "quote'\"<>&", "k" * 1024, "~-_.!*()"]
    for key in keys:
        w.put(key, key.encode())
    for key in keys:
        same(w.get(key)["Bytes"], key.encode(), key)
    listed = [e["Key"] for page in w.reader.get_paginator("list_objects_v2").paginate(Bucket=w.bucket, PaginationConfig={"PageSize": 3})
              for e in page.get("Contents", [])]
    same(listed, sorted(keys, key=lambda k: k.encode()), "bytewise order, nothing lost over pages")
    same(code_of(w.put, "k" * 1025), ("KeyTooLongError", 400))
    w.s3.delete_object(Bucket=w.bucket, Key="a")
    same(w.get("a/b")["Bytes"], b"a/b", "the key a and the key a/b are independent")
    same(w.get("a/")["Bytes"], b"a/")


@case
def listings(w):
    keys = [f"p/{i:03}" for i in range(25)] + ["q/x/1", "q/x/2", "q/y", "r--1", "r--2", "s"]
    for key in keys:
        w.put(key, b"12345")
    v2 = w.reader.list_objects_v2
    page = v2(Bucket=w.bucket, MaxKeys=10)
    same((page["KeyCount"], page["IsTruncated"]), (10, True))
    entry = page["Contents"][0]
    same((entry["Key"], entry["Size"], entry["ETag"]), ("p/000", 5, '"827ccb0eea8a706c4c34a16891f84e7b"'))
    folded = v2(Bucket=w.bucket, Delimiter="/")
    same([p["Prefix"] for p in folded["CommonPrefixes"]], ["p/", "q/"])
    same([e["Key"] for e in folded["Contents"]], ["r--1", "r--2", "s"])
    deeper = v2(Bucket=w.bucket, Delimiter="/", Prefix="q/")
    same(([p["Prefix"] for p in deeper["CommonPrefixes"]], [e["Key"] for e in deeper["Contents"]]), (["q/x/"], ["q/y"]))
    same([p["Prefix"] for p in v2(Bucket=w.bucket, Delimiter="--")["CommonPrefixes"]], ["r--"])
    seen = []
    for page in w.reader.get_paginator("list_objects_v2").paginate(Bucket=w.bucket, Delimiter="/", PaginationConfig={"PageSize": 1}):
        seen += [p["Prefix"] for p in page.get("CommonPrefixes", [])] + [e["Key"] for e in page.get("Contents", [])]
    same(seen, ["p/", "q/", "r--1", "r--2", "s"], "one item a page")
    seen = [e["Key"] for page in w.reader.get_paginator("list_objects").paginate(Bucket=w.bucket, PaginationConfig={"PageSize": 7})
            for e in page.get("Contents", [])]
    same(seen, keys, "the first form")
    same([e["Key"] for e in v2(Bucket=w.bucket, StartAfter="r--1")["Contents"]], ["r--2", "s"])
    none = v2(Bucket=w.bucket, MaxKeys=0)
    same((none["KeyCount"], none["IsTruncated"]), (0, False))
    same(v2(Bucket=w.bucket, Prefix="nothing")["KeyCount"], 0)
    assert "Owner" in v2(Bucket=w.bucket, FetchOwner=True)["Contents"][0]
    same(code_of(v2, Bucket=w.bucket, ContinuationToken="junk"), ("InvalidArgument", 400))
    same(code_of(v2, Bucket=w.bucket + "-absent"), ("NoSuchBucket", 404))
    versions = w.reader.list_object_versions(Bucket=w.bucket, Prefix="q/")["Versions"]
    same([(v["Key"], v["VersionId"], v["IsLatest"]) for v in versions], [(k, "null", True) for k in keys if k.startswith("q/")])


@case
def ranges(w):
    data = pattern(9 * MIB + 17)
    w.put("k", data)
    size = len(data)
    for header, start, end in (("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), (f"bytes={8 * MIB - 1}-{8 * MIB}", 8 * MIB - 1, 8 * MIB + 1),
                               ("bytes=-17", size - 17, size), (f"bytes={9 * MIB}-", 9 * MIB, size), (f"bytes=0-{size * 2}", 0, size)):
        answer = w.get("k", Range=header)
        assert answer["Bytes"] == data[start:end], header
        same(answer["ContentRange"], f"bytes {start}-{end - 1}/{size}")
        same(answer["ResponseMetadata"]["HTTPStatusCode"], 206)
    same(code_of(w.reader.get_object, Bucket=w.bucket, Key="k", Range=f"bytes={size}-"), ("InvalidRange", 416))
    assert w.get("k", Range="bytes=0-1,3-4")["Bytes"] == data, "several ranges count as none"
    same(code_of(w.reader.get_object, Bucket=w.bucket, Key="k", PartNumber=2)[1], 416)


@case
def conditions(w):
    etag = w.put("k", b"one")["ETag"]
    get = w.reader.get_object
    same(code_of(get, Bucket=w.bucket, Key="k", IfNoneMatch=etag), ("304", 304))
    same(code_of(get, Bucket=w.bucket, Key="k", IfMatch='"no"'), ("PreconditionFailed", 412))
    same(w.get("k", IfMatch=etag)["Bytes"], b"one")
    later, earlier = time.time() + 1000, time.time() - 100000
    same(code_of(get, Bucket=w.bucket, Key="k", IfModifiedSince=later), ("304", 304))
    same(code_of(get, Bucket=w.bucket, Key="k", IfUnmodifiedSince=earlier), ("PreconditionFailed", 412))
    same(w.get("k", IfModifiedSince=earlier)["Bytes"], b"one")


@case
def conditions_of_changes(w):
    need(w.s3, PutObject="IfMatch IfNoneMatch", DeleteObject="IfMatch")
    etag = w.put("k", b"one")["ETag"]
    same(code_of(w.put, "k", b"two", IfNoneMatch="*"), ("PreconditionFailed", 412))
    w.put("fresh", b"two", IfNoneMatch="*")
    same(code_of(w.put, "k", b"two", IfMatch='"no"'), ("PreconditionFailed", 412))
    same(code_of(w.put, "absent", b"two", IfMatch='"no"'), ("NoSuchKey", 404))
    w.put("k", b"two", IfMatch=etag)
    same(code_of(w.s3.delete_object, Bucket=w.bucket, Key="k", IfMatch=etag), ("PreconditionFailed", 412))
    same(w.get("k")["Bytes"], b"two")


@case
def a_race_for_one_name_has_one_winner(w):
    need(w.s3, PutObject="IfNoneMatch")
    outcomes = []

    def run(number):
        try:
            w.put("prize", str(number).encode(), IfNoneMatch="*")
            outcomes.append(number)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed", error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(16)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    same(len(outcomes), 1, "winners")
    same(w.get("prize")["Bytes"], str(outcomes[0]).encode())


@case
def copies(w):
    data = pattern(9 * MIB)
    etag = w.put("src dir/ü+x", data, Metadata={"a": "1"}, ContentType="text/x", Tagging="t=1")["ETag"]
    source = {"Bucket": w.bucket, "Key": "src dir/ü+x"}
    copy = w.s3.copy_object
    same(copy(Bucket=w.bucket, Key="dst", CopySource=source)["CopyObjectResult"]["ETag"], etag)
    back = w.get("dst")
    assert back["Bytes"] == data
    same((back["Metadata"], back["ContentType"], back["TagCount"]), ({"a": "1"}, "text/x", 1))
    copy(Bucket=w.bucket, Key="dst2", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    same(w.reader.head_object(Bucket=w.bucket, Key="dst2")["Metadata"], {"b": "2"})
    same(code_of(copy, Bucket=w.bucket, Key=source["Key"], CopySource=source), ("InvalidRequest", 400))
    copy(Bucket=w.bucket, Key=source["Key"], CopySource=source, MetadataDirective="REPLACE", Metadata={"c": "3"})
    same(w.reader.head_object(Bucket=w.bucket, Key=source["Key"])["Metadata"], {"c": "3"})
    same(code_of(copy, Bucket=w.bucket, Key="d", CopySource=source, CopySourceIfMatch='"no"'), ("PreconditionFailed", 412))
    same(code_of(copy, Bucket=w.bucket, Key="d", CopySource={"Bucket": w.bucket, "Key": "absent"}), ("NoSuchKey", 404))
    w.s3.delete_object(Bucket=w.bucket, Key=source["Key"])
    assert w.get("dst")["Bytes"] == data, "the copy outlives its source"


@case
def deletes(w):
    for i in range(30):
        w.put(f"d/{i}")
    w.s3.delete_object(Bucket=w.bucket, Key="d/0")
    w.s3.delete_object(Bucket=w.bucket, Key="d/0")
    objects = [{"Key": f"d/{i}"} for i in range(1000)]
    answer = w.s3.delete_objects(Bucket=w.bucket, Delete={"Objects": objects})
    same((len(answer["Deleted"]), answer.get("Errors")), (1000, None))
    same(w.reader.list_objects_v2(Bucket=w.bucket)["KeyCount"], 0)
    same(code_of(w.s3.delete_objects, Bucket=w.bucket, Delete={"Objects": objects + [{"Key": "x"}]}), ("MalformedXML", 400))


CHECKSUMS = {
    "CRC32": lambda d: binascii.crc32(d).to_bytes(4, "big"),
    "SHA1": lambda d: hashlib.sha1(d).digest(),
    "SHA256": lambda d: hashlib.sha256(d).digest(),
}


@case
def checksums(w):
    data = pattern(100_000)
    for name, function in CHECKSUMS.items():
        value = base64.b64encode(function(data)).decode()
        answer = w.put(name, data, **{f"Checksum{name}": value})
        same(answer[f"Checksum{name}"], value)
        same(w.get(name, ChecksumMode="ENABLED")[f"Checksum{name}"], value)
        wrong = base64.b64encode(function(b"else")).decode()
        same(code_of(w.put, "bad", data, **{f"Checksum{name}": wrong}), ("BadDigest", 400))
    w.put("auto", data, ChecksumAlgorithm="SHA256")
    md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
    w.put("md5", data, ContentMD5=md5)
    same(code_of(w.put, "bad", data + b"x", ContentMD5=md5), ("BadDigest", 400))
    same(code_of(w.put, "bad", data, ContentMD5="nonsense"), ("InvalidDigest", 400))
    same(code_of(w.reader.head_object, Bucket=w.bucket, Key="bad"), ("404", 404))
    attributes = w.reader.get_object_attributes(Bucket=w.bucket, Key="SHA256", ObjectAttributes=["ETag", "Checksum", "ObjectSize"])
    same((attributes["ObjectSize"], attributes["ETag"].strip('"')), (len(data), hashlib.md5(data).hexdigest()))
    assert "ChecksumSHA256" in attributes["Checksum"]


def upload_parts(w, key, pieces, **create):
    upload = w.s3.create_multipart_upload(Bucket=w.bucket, Key=key, **create)["UploadId"]
    more = {name: value for name, value in create.items() if name == "ChecksumAlgorithm"}
    parts = []
    for number, piece in enumerate(pieces, 1):
        answer = w.s3.upload_part(Bucket=w.bucket, Key=key, UploadId=upload, PartNumber=number, Body=piece, **more)
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        part.update({k: v for k, v in answer.items() if k.startswith("Checksum")})
        parts.append(part)
    return upload, parts


@case
def multipart(w):
    pieces = [pattern(5 * MIB, 1), pattern(9 * MIB + 1, 2), pattern(100, 3)]
    upload, parts = upload_parts(w, "big", pieces, Metadata={"m": "1"}, ContentType="video/x")
    same(code_of(w.reader.head_object, Bucket=w.bucket, Key="big"), ("404", 404), "invisible until complete")
    uploads = w.reader.list_multipart_uploads(Bucket=w.bucket)["Uploads"]
    same([(u["Key"], u["UploadId"]) for u in uploads], [("big", upload)])
    listed = w.reader.list_parts(Bucket=w.bucket, Key="big", UploadId=upload)["Parts"]
    same([(p["PartNumber"], p["Size"], p["ETag"]) for p in listed], [(p["PartNumber"], len(d), p["ETag"]) for p, d in zip(parts, pieces)])
    complete = lambda chosen, **more: w.s3.complete_multipart_upload(
        Bucket=w.bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": chosen}, **more)
    same(code_of(complete, list(reversed(parts))), ("InvalidPartOrder", 400))
    same(code_of(complete, [dict(parts[0], ETag='"%s"' % ("0" * 32))]), ("InvalidPart", 400))
    same(code_of(complete, [parts[2], dict(parts[1], PartNumber=4)]), ("InvalidPart", 400))
    answer = complete(parts)
    digest = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in pieces)).hexdigest()
    same(answer["ETag"], f'"{digest}-3"')
    same(complete(parts)["ETag"], answer["ETag"], "the same completion again")
    back = w.get("big")
    assert back["Bytes"] == b"".join(pieces)
    same((back["Metadata"], back["ContentType"]), ({"m": "1"}, "video/x"))
    second = w.get("big", PartNumber=2)
    assert second["Bytes"] == pieces[1]
    same(second["PartsCount"], 3)
    same(code_of(w.reader.list_parts, Bucket=w.bucket, Key="big", UploadId=upload), ("NoSuchUpload", 404))

    small, small_parts = upload_parts(w, "small", [b"a", b"b"])
    same(code_of(w.s3.complete_multipart_upload, Bucket=w.bucket, Key="small", UploadId=small,
                 MultipartUpload={"Parts": small_parts}), ("EntityTooSmall", 400))
    w.s3.abort_multipart_upload(Bucket=w.bucket, Key="small", UploadId=small)
    same(code_of(w.s3.upload_part, Bucket=w.bucket, Key="small", UploadId=small, PartNumber=1, Body=b"x"), ("NoSuchUpload", 404))
    same(code_of(w.s3.upload_part, Bucket=w.bucket, Key="small", UploadId="nonsense", PartNumber=1, Body=b"x"), ("NoSuchUpload", 404))


@case
def multipart_checksums(w):
    pieces = [pattern(5 * MIB, 4), pattern(1000, 5)]
    upload, parts = upload_parts(w, "composite", pieces, ChecksumAlgorithm="SHA256")
    answer = w.s3.complete_multipart_upload(Bucket=w.bucket, Key="composite", UploadId=upload, MultipartUpload={"Parts": parts})
    digest = base64.b64encode(hashlib.sha256(b"".join(hashlib.sha256(p).digest() for p in pieces)).digest()).decode()
    same(answer["ChecksumSHA256"], f"{digest}-2")


@case
def multipart_checksums_of_the_whole(w):
    need(w.s3, CreateMultipartUpload="ChecksumType")
    pieces = [pattern(5 * MIB, 4), pattern(1000, 5)]
    upload, parts = upload_parts(w, "full", pieces, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    answer = w.s3.complete_multipart_upload(Bucket=w.bucket, Key="full", UploadId=upload, MultipartUpload={"Parts": parts})
    same(answer["ChecksumCRC32"], base64.b64encode(CHECKSUMS["CRC32"](b"".join(pieces))).decode())
    same(w.reader.head_object(Bucket=w.bucket, Key="full", ChecksumMode="ENABLED")["ChecksumType"], "FULL_OBJECT")


@case
def multipart_copies(w):
    data = pattern(12 * MIB)
    w.put("src", data)
    upload = w.s3.create_multipart_upload(Bucket=w.bucket, Key="dst")["UploadId"]
    source = {"Bucket": w.bucket, "Key": "src"}
    spans = [(100, 6 * MIB), (7 * MIB + 1, 12 * MIB)]
    parts = []
    for number, (start, end) in enumerate(spans, 1):
        answer = w.s3.upload_part_copy(Bucket=w.bucket, Key="dst", UploadId=upload, PartNumber=number, CopySource=source,
                                       CopySourceRange=f"bytes={start}-{end - 1}")
        same(answer["CopyPartResult"]["ETag"].strip('"'), hashlib.md5(data[start:end]).hexdigest())
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    same(code_of(w.s3.upload_part_copy, Bucket=w.bucket, Key="dst", UploadId=upload, PartNumber=3, CopySource=source,
                 CopySourceRange=f"bytes=0-{12 * MIB}"), ("InvalidRange", 416))
    w.s3.complete_multipart_upload(Bucket=w.bucket, Key="dst", UploadId=upload, MultipartUpload={"Parts": parts})
    w.s3.delete_object(Bucket=w.bucket, Key="src")
    assert w.get("dst")["Bytes"] == b"".join(data[a:b] for a, b in spans)


@case
def managed_transfer(w):
    data = pattern(40 * MIB)
    w.s3.upload_fileobj(io.BytesIO(data), w.bucket, "managed")
    out = io.BytesIO()
    w.reader.download_fileobj(w.bucket, "managed", out)
    assert out.getvalue() == data


@case
def presigned(w):
    put = w.s3.generate_presigned_url("put_object", Params={"Bucket": w.bucket, "Key": "k y"}, ExpiresIn=60)
    request = urllib.request.Request(put, data=b"signed away", method="PUT")
    same(urllib.request.urlopen(request, timeout=30).status, 200)
    get = w.reader.generate_presigned_url("get_object", Params={"Bucket": w.bucket, "Key": "k y"}, ExpiresIn=60)
    same(urllib.request.urlopen(get, timeout=30).read(), b"signed away")

    def status(url, **more):
        try:
            return urllib.request.urlopen(urllib.request.Request(url, **more), timeout=30).status
        except urllib.error.HTTPError as error:
            return error.code

    same(status(get.replace("k%20y", "other")), 403, "another key")
    same(status(get, method="DELETE"), 403, "another method")
    same(status(get.replace("X-Amz-Expires=60", "X-Amz-Expires=600")), 403, "another time")
    brief = w.reader.generate_presigned_url("get_object", Params={"Bucket": w.bucket, "Key": "k y"}, ExpiresIn=1)
    deadline = time.time() + 30
    while status(brief) != 403:
        assert time.time() < deadline, "the URL does not expire"
        time.sleep(0.2)


@case
def strangers(w):
    w.put("k")
    wrong = w.client(secret_key="x" * 40)
    same(code_of(wrong.get_object, Bucket=w.bucket, Key="k"), ("SignatureDoesNotMatch", 403))
    nobody = w.client(access_key="NOBODY" + uuid.uuid4().hex[:8].upper())
    same(code_of(nobody.get_object, Bucket=w.bucket, Key="k"), ("InvalidAccessKeyId", 403))
    same(code_of(nobody.put_object, Bucket=w.bucket, Key="new", Body=b"x"), ("InvalidAccessKeyId", 403))
    elsewhere = w.client(region="eu-west-3" if w.options.region != "eu-west-3" else "eu-west-1")
    same(code_of(elsewhere.list_objects_v2, Bucket=w.bucket)[1], 400)
    for path in ("", f"/{w.bucket}", f"/{w.bucket}/k"):
        try:
            urllib.request.urlopen(w.options.endpoint + path, timeout=30)
            raise AssertionError(f"anonymous access to {path or '/'}")
        except urllib.error.HTTPError as error:
            same(error.code, 403)
    same(w.reader.list_objects_v2(Bucket=w.bucket)["KeyCount"], 1)


@case
def promises_not_kept_are_not_made(w):
    same(code_of(w.put, "k", b"x", ServerSideEncryption="AES256"), ("NotImplemented", 501))
    same(code_of(w.put, "k", b"x", ACL="public-read"), ("AccessControlListNotSupported", 400))
    same(code_of(w.put, "k", b"x", ObjectLockLegalHoldStatus="ON"), ("NotImplemented", 501))
    same(code_of(w.put, "k", b"x", StorageClass="GLACIER"), ("InvalidStorageClass", 400))
    w.put("k", b"x", ACL="private", StorageClass="STANDARD")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--second-endpoint")
    parser.add_argument("--access-key", required=True)
    parser.add_argument("--secret-key", required=True)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--only", action="append", help="run only this check (may be given several times)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    results, failed = {}, []
    for function in CASES:
        if options.only and function.__name__ not in options.only:
            continue
        began = time.time()
        try:
            with World(options) as world:
                function(world)
            word, outcome = "ok  ", "ok"
        except TooOld as why:
            word, outcome = "SKIP", f"skipped: {why}"
        except Exception:  # every failure is reported, and the other checks still run
            word, outcome = "FAIL", traceback.format_exc()
            failed.append(function.__name__)
        results[function.__name__] = outcome
        if not options.json:
            print(f"{word} {function.__name__} ({time.time() - began:.1f} s)", flush=True)
            if outcome != "ok":
                print(outcome, flush=True)
    if options.json:
        print(json.dumps({"checks": results, "failed": failed}))
    else:
        held = list(results.values()).count("ok")
        print(f"{held} of {len(results)} checks held, {len(results) - held - len(failed)} skipped")
    return 1 if failed or "ok" not in results.values() else 0


if __name__ == "__main__":
    sys.exit(main())
