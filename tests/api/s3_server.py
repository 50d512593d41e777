"""An S3 endpoint for tests: moto's, behind a check of every signature by botocore, which moto itself leaves out.

    s3_server.py FOLDER BUCKET KEY SECRET REGION [CERTIFICATE PRIVATE_KEY]

Says "s3 on port N". Each request becomes a line in FOLDER/requests: how it was signed, method, path, status. Files in
FOLDER change what it does, while they are there: `down`: 503 for everything; `skewed`: its clock is an hour ahead;
`refuse-uploads`: addresses that were given away are not taken; `hang-uploads`: nor answered, until the file has gone.
"""

import base64
import datetime
import hashlib
import hmac
import pathlib
import sys
import threading
import time
import urllib.parse
import xml.sax.saxutils

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import werkzeug.serving
import werkzeug.test
import werkzeug.wrappers
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

SKEW = datetime.timedelta(minutes=15)
STATUS = {"SlowDown": 503, "BadDigest": 400, "XAmzContentSHA256Mismatch": 400, "AuthorizationHeaderMalformed": 400}


class Refused(Exception):
    """Code and message as S3 says them, and more elements."""


class Endpoint:
    def __init__(self, folder: pathlib.Path, bucket: str, key: str, secret: str, region: str):
        self._folder = folder
        self._credentials = botocore.credentials.Credentials(key, secret)
        self._region = region
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        created = werkzeug.test.Client(self._moto).put(f"/{bucket}", base_url="http://127.0.0.1", headers={
            "authorization": f"AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/s3/aws4_request, SignedHeaders=, "
                             "Signature="})
        assert created.status_code == 200, created.text

    def __call__(self, environ, start_response):
        request = werkzeug.wrappers.Request(environ)
        body = request.get_data(cache=True)
        how = "none"
        try:
            if self._is("down"):
                raise Refused("SlowDown", "Please reduce your request rate.")
            if "X-Amz-Signature" in request.args:
                how = "address"
                self._stand_in_the_way()
                self._check_address(environ, request)
            else:
                how = "header"
                self._check_header(environ, request, body)
            if "content-md5" in request.headers:
                if base64.b64decode(request.headers["content-md5"]) != hashlib.md5(body).digest():
                    raise Refused("BadDigest", "The Content-MD5 you specified did not match what we received.")
            environ["wsgi.input"] = werkzeug.test.EnvironBuilder(data=body).get_environ()["wsgi.input"]
            response = werkzeug.test.run_wsgi_app(self._moto, environ, buffered=True)
            response = werkzeug.wrappers.Response(*response)
        except Refused as refused:
            code, message, *more = refused.args
            text = f"<Error><Code>{code}</Code><Message>{xml.sax.saxutils.escape(message)}</Message>{''.join(more)}</Error>"
            response = werkzeug.wrappers.Response(text, STATUS.get(code, 403), content_type="application/xml")
        if request.method == "HEAD" and response.status_code >= 400:
            response.set_data(b"")
        response.headers["date"] = self._now().strftime("%a, %d %b %Y %H:%M:%S GMT")
        with self._lock, open(self._folder / "requests", "a") as log:
            log.write(f"{how} {request.method} {request.path} {response.status_code}\n")
        return response(environ, start_response)

    def _is(self, name: str) -> bool:
        return (self._folder / name).exists()

    def _now(self) -> datetime.datetime:
        now = datetime.datetime.now(datetime.timezone.utc)
        return now + datetime.timedelta(hours=1) if self._is("skewed") else now

    def _stand_in_the_way(self) -> None:
        if self._is("refuse-uploads"):
            raise Refused("AccessDenied", "Access Denied")
        while self._is("hang-uploads"):
            (self._folder / "uploading").touch()
            time.sleep(0.02)

    def _check_header(self, environ, request, body: bytes) -> None:
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        if scheme != "AWS4-HMAC-SHA256":
            raise Refused("AccessDenied", "Access Denied")
        fields = dict(field.strip().split("=", 1) for field in rest.split(","))
        said = request.headers.get("x-amz-content-sha256", "")
        if said != hashlib.sha256(body).hexdigest():
            raise Refused("XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 does not match.")
        auth = botocore.auth.S3SigV4Auth(self._credentials, "s3", self._region)
        self._compare(auth, environ, request, environ["QUERY_STRING"], fields["Credential"], fields["SignedHeaders"],
                      request.headers.get("x-amz-date", ""), fields["Signature"], None)

    def _check_address(self, environ, request) -> None:
        query = "&".join(part for part in environ["QUERY_STRING"].split("&") if not part.startswith("X-Amz-Signature="))
        auth = botocore.auth.S3SigV4QueryAuth(self._credentials, "s3", self._region)
        self._compare(auth, environ, request, query, request.args["X-Amz-Credential"], request.args["X-Amz-SignedHeaders"],
                      request.args["X-Amz-Date"], request.args["X-Amz-Signature"], int(request.args["X-Amz-Expires"]))

    def _compare(self, auth, environ, request, query, credential, signed, date, signature, expires) -> None:
        key, _, region, *_ = credential.split("/")
        if key != self._credentials.access_key:
            raise Refused("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        if region != self._region:
            raise Refused("AuthorizationHeaderMalformed", f"the region '{region}' is wrong; expecting '{self._region}'",
                          f"<Region>{self._region}</Region>")
        signed_at = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if expires is None and abs(self._now() - signed_at) > SKEW:
            raise Refused("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
        if expires is not None and self._now() > signed_at + datetime.timedelta(seconds=expires):
            raise Refused("AccessDenied", "Request has expired")
        names = signed.split(";")
        unsigned = [name for name in request.headers.keys() if name.lower().startswith("x-amz-") and name.lower() not in names]
        if unsigned or "host" not in names:
            raise Refused("AccessDenied", "There were headers present in the request which were not signed")
        path = environ["RAW_URI"].partition("?")[0]
        again = botocore.awsrequest.AWSRequest(
            method=request.method, url=urllib.parse.urlunsplit((request.scheme, request.host, path, query, "")),
            headers={name: request.headers[name] for name in names if name in request.headers})
        again.context["timestamp"] = date
        expected = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
        if not hmac.compare_digest(expected, signature):
            raise Refused("SignatureDoesNotMatch", "The request signature we calculated does not match.")


def main() -> None:
    folder, bucket, key, secret, region, *certificate = sys.argv[1:]
    server = werkzeug.serving.make_server("127.0.0.1", 0, Endpoint(pathlib.Path(folder), bucket, key, secret, region),
                                          threaded=True, ssl_context=tuple(certificate) or None)
    print(f"s3 on port {server.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
