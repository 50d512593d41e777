#include "server/store/s3_object_store.h"

#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/message_size.h"

namespace mind::server {

namespace {

constexpr int kTries = 3;
constexpr absl::Duration kLimit = absl::Seconds(15);
// What is to be deleted may wait: as long as a signature is good for, and less.
constexpr absl::Duration kDeleteLimit = absl::Minutes(10);
constexpr size_t kDeletedAtOnce = 16;
// How long a worker may put a picture where it was told to: a picture may be paused for others for long.
constexpr absl::Duration kGrantLife = absl::Hours(12);
constexpr char kTrial[] = "mind-server";

const prometheus::Histogram::BucketBoundaries kSeconds = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2,
                                                          0.5,   1,    2,    5,    10,  20};

bool IsNotFound(const absl::Status& status, const HttpCall::Answer& answer) {
  // Where the bucket is missing that is no answer about an object.
  const auto info = GetErrorInfo(status);
  return info && info->reason() == kS3NotFound && answer.status == 404 &&
         answer.body.find("NoSuchBucket") == std::string::npos;
}

absl::Status NotAsSaid(const std::string& what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "what was uploaded " + what, "UPLOAD_DIFFERS");
}

}  // namespace

absl::StatusOr<std::unique_ptr<S3ObjectStore>> S3ObjectStore::Open(const S3Options& options,
                                                                   prometheus::Registry& registry) {
  std::unique_ptr<S3ObjectStore> store(new S3ObjectStore(options, registry));
  absl::StatusOr<std::unique_ptr<HttpClient>> client = HttpClient::Create(options.ca_file);
  if (!client.ok()) return client.status();
  store->client_ = *std::move(client);
  absl::StatusOr<std::unique_ptr<HttpClient>> deleting = HttpClient::Create(options.ca_file, kDeletedAtOnce);
  if (!deleting.ok()) return deleting.status();
  store->deleting_ = *std::move(deleting);
  return store;
}

S3ObjectStore::S3ObjectStore(const S3Options& options, prometheus::Registry& registry)
    : options_(options),
      signer_(options.credentials, options.region),
      failures_(CounterFamily(registry, "mind_object_failures_total",
                              "Requests to the object store that came to nothing"),
                "request"),
      seconds_(HistogramFamily(registry, "mind_object_request_duration_seconds",
                               "Requests to the object store, with all their tries"),
               "request", kSeconds) {}

S3Request S3ObjectStore::RequestFor(const std::string& method, const std::string& key) const {
  return {.method = method,
          .host = options_.endpoint.Authority(),
          .path = S3Path(absl::StrCat("/", options_.bucket, "/", options_.prefix, key))};
}

void S3ObjectStore::Ask(const std::string& what, const std::string& method, const std::string& key,
                        std::string body, const std::string& body_hash, Answered answered) {
  AskThrough(*client_, kLimit, what, method, key, std::move(body), body_hash, std::move(answered));
}

void S3ObjectStore::AskThrough(HttpClient& client, absl::Duration limit, const std::string& what,
                               const std::string& method, const std::string& key, std::string body,
                               const std::string& body_hash, Answered answered) {
  const absl::Time now = absl::Now();
  const S3Request asked = RequestFor(method, key);
  WebUrl url = options_.endpoint;
  url.target = asked.path;
  HttpCall::Request request{.method = method, .fields = {}, .body = std::move(body)};
  for (const auto& [name, value] : signer_.SignHeaders(asked, absl::BytesToHexString(body_hash), now)) {
    request.fields[name] = value;
  }
  client.Send(url, std::move(request),
              {.limit = limit, .each = kLimit, .most = kMaxMessageBytes, .tries = kTries},
              [this, what, key, began = std::chrono::steady_clock::now(),
               answered = std::move(answered)](const absl::StatusOr<HttpCall::Answer>& answer) {
                seconds_[what].Observe(
                    std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
                const absl::Status status = S3Status(options_, key, answer, absl::Now());
                if (!status.ok()) failures_[what].Increment();
                answered(status, answer.ok() ? *answer : HttpCall::Answer());
              });
}

absl::Status S3ObjectStore::TryOut() {
  absl::Notification done;
  absl::Status status;
  const Blob trial = MakeBlob("mind-server " MIND_VERSION "\n");
  Put({kTrial, trial.hash}, trial.data, [&](const absl::Status& put) {
    status = put;
    done.Notify();
  });
  done.WaitForNotification();
  return status;
}

void S3ObjectStore::Put(const StoredObject& object, std::shared_ptr<const std::string> data,
                        std::function<void(absl::Status)> done) {
  Ask("put", "PUT", object.key, *data, object.hash,
      [done = std::move(done)](const absl::Status& status, const HttpCall::Answer&) { done(status); });
}

void S3ObjectStore::Get(const StoredObject& object,
                        std::function<void(absl::StatusOr<std::optional<std::string>>)> done) {
  Ask("get", "GET", object.key, "", Sha256(""),
      [object, done = std::move(done)](const absl::Status& status, const HttpCall::Answer& answer) {
        if (IsNotFound(status, answer)) return done(std::nullopt);
        if (!status.ok()) return done(status);
        if (Sha256(answer.body) != object.hash) {
          return done(MakeError(absl::StatusCode::kDataLoss,
                                absl::StrCat("the object ", object.key, " is damaged"), "STORE_DAMAGED"));
        }
        done(answer.body);
      });
}

void S3ObjectStore::Delete(const std::string& key) {
  AskThrough(*deleting_, kDeleteLimit, "delete", "DELETE", key, "", Sha256(""),
             [key](const absl::Status& status, const HttpCall::Answer& answer) {
               if (status.ok() || IsNotFound(status, answer)) return;
               LogWarning("an object that nobody needs is left where it is",
                          {{"object", key}, {"error", std::string(status.message())}});
             });
}

v1::Upload S3ObjectStore::Grant(const std::string& key, const std::string& media_type) const {
  v1::Upload upload;
  S3Request request = RequestFor("PUT", key);
  request.headers["content-type"] = media_type;
  upload.set_url(absl::StrCat(options_.endpoint.tls ? "https://" : "http://", options_.endpoint.Authority(),
                              signer_.Presign(request, kGrantLife, absl::Now())));
  (*upload.mutable_headers())["content-type"] = media_type;
  upload.set_above_bytes(options_.above);
  return upload;
}

void S3ObjectStore::Check(const std::string& key, const v1::UploadedFile& file,
                          std::function<void(absl::Status)> done) {
  Ask("head", "HEAD", key, "", Sha256(""),
      [key, file, done = std::move(done)](const absl::Status& status, const HttpCall::Answer& answer) {
        if (IsNotFound(status, answer)) return done(NotAsSaid("is not there"));
        if (!status.ok()) return done(status);
        uint64_t size = 0;
        if (!absl::SimpleAtoi(answer.Field("Content-Length"), &size) || size != file.size()) {
          return done(NotAsSaid(absl::StrCat("has ", size, " bytes, not ", file.size())));
        }
        // The same file as the worker's: somebody else's would have another tag.
        if (answer.Field("ETag") != file.etag()) {
          return done(NotAsSaid("is not what the worker has put there"));
        }
        done(absl::OkStatus());
      });
}

}  // namespace mind::server
