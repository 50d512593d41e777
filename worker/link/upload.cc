#include "worker/link/upload.h"

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/support/digest.h"
#include "proto/support/errors.h"

namespace mind {

namespace {

// Within this a server does not take a picture that is only to be sent for one that hangs.
constexpr absl::Duration kLimit = absl::Seconds(30);
constexpr int kTries = 2;
constexpr size_t kMaxUrl = 16 << 10;  // it has a signature in it, and maybe a session's token
constexpr uint64_t kMaxAnswer = 64 << 10;

}  // namespace

void PutFile(HttpClient& client, const v1::Upload& upload, const std::string& file,
             std::function<void(absl::StatusOr<v1::UploadedFile>)> done) {
  const std::optional<WebUrl> url = ParseWebUrl(upload.url(), kMaxUrl);
  if (!url) return done(absl::InvalidArgumentError("the place is no http or https URL"));
  HttpCall::Request request{.method = "PUT", .fields = {}, .body = file};
  for (const auto& [name, value] : upload.headers()) request.fields[name] = value;
  // What arrives otherwise is not taken.
  request.fields["Content-MD5"] = absl::Base64Escape(Md5(file));
  v1::UploadedFile uploaded;
  uploaded.set_size(file.size());
  uploaded.set_sha256(Sha256(file));
  client.Send(*url, std::move(request), {.limit = kLimit, .most = kMaxAnswer, .tries = kTries},
              [uploaded = std::move(uploaded),
               done = std::move(done)](const absl::StatusOr<HttpCall::Answer>& answer) mutable {
                if (!answer.ok()) return done(answer.status());
                if (answer->status / 100 != 2) {
                  return done(absl::UnavailableError(
                      absl::StrCat("answered with ", answer->status, " ", Printable(answer->body))));
                }
                uploaded.set_etag(answer->Field("ETag"));
                done(std::move(uploaded));
              });
}

}  // namespace mind
