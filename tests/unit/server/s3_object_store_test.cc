#include "server/store/s3_object_store.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/http_client.h"
#include "tests/support/certificates.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/postgres_rig.h"
#include "tests/unit/server/s3_rig.h"
#include "tests/unit/server/store_rig.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

absl::Status Put(ObjectStore& store, const std::string& key, const Blob& blob) {
  return Await<absl::Status>([&](const auto& done) { store.Put({key, blob.hash}, blob.data, done); });
}
absl::StatusOr<std::optional<std::string>> Get(ObjectStore& store, const std::string& key,
                                               const std::string& hash) {
  return Await<absl::StatusOr<std::optional<std::string>>>([&](const auto& done) {
    store.Get({key, hash}, done);
  });
}
absl::Status CheckUpload(ObjectStore& store, const std::string& key, const v1::UploadedFile& file) {
  return Await<absl::Status>([&](const auto& done) { store.Check(key, file, done); });
}
// What somebody makes of an upload who was told of it; its ETag.
absl::StatusOr<std::string> Fill(const v1::Upload& upload, const std::string& bytes) {
  const auto client = HttpClient::Create("");
  const WebUrl url = *ParseWebUrl(upload.url());
  HttpCall::Request request{.method = "PUT", .fields = {}, .body = bytes};
  for (const auto& [name, value] : upload.headers()) request.fields[name] = value;
  const auto answer = Await<absl::StatusOr<HttpCall::Answer>>(
      [&](const auto& done) { (*client)->Send(url, request, {.most = 4096}, done); });
  if (!answer.ok()) return answer.status();
  if (answer->status != 200) return absl::InternalError(answer->body);
  return answer->Field("ETag");
}

class S3ObjectStoreTest : public ::testing::Test {
 protected:
  support::S3Server& server_ = support::SharedS3();
  // Each test has a place of its own.
  const S3Options options_ = OptionsFor(
      server_,
      absl::StrCat("a prefix/ü+&=~/", ::testing::UnitTest::GetInstance()->current_test_info()->name(), "/"));
};

TEST_F(S3ObjectStoreTest, GivesWhatWasPut) {
  const auto store = OpenS3(options_);
  const Blob blob = MakeBlob(std::string("\0\x89PNG\xff", 6) + std::string(3'000'000, 'x'));
  ASSERT_TRUE(store->TryOut().ok());
  ASSERT_TRUE(Put(*store, "jobs/1/a", blob).ok());
  ASSERT_TRUE(Put(*store, "jobs/1/a", blob).ok());  // once more: as if once
  EXPECT_EQ(Get(*store, "jobs/1/a", blob.hash).value(), *blob.data);
  EXPECT_EQ(Get(*store, "jobs/1/b", blob.hash).value(), std::nullopt);
  EXPECT_EQ(Get(*store, "jobs/1/a", MakeBlob("y").hash).status().code(), absl::StatusCode::kDataLoss);
  const int deletions = server_.Count("DELETE");
  store->Delete("jobs/1/a");
  store->Delete("jobs/1/never");
  WaitFor("both to be deleted", [&] { return server_.Count("DELETE") == deletions + 2; });
  EXPECT_EQ(Get(*store, "jobs/1/a", blob.hash).value(), std::nullopt);
}

TEST_F(S3ObjectStoreTest, WhoIsGivenAPlaceMayFillItAndNoOther) {
  const auto store = OpenS3(options_);
  const v1::Upload upload = store->Grant("jobs/1/0.1", "image/png");
  v1::UploadedFile file;
  file.set_size(5);
  file.set_etag("\"none\"");
  EXPECT_THAT(std::string(CheckUpload(*store, "jobs/1/0.1", file).message()), HasSubstr("is not there"));
  const auto etag = Fill(upload, "bytes");
  ASSERT_TRUE(etag.ok()) << etag.status();
  file.set_etag(*etag);
  EXPECT_TRUE(CheckUpload(*store, "jobs/1/0.1", file).ok());
  EXPECT_EQ(Get(*store, "jobs/1/0.1", Sha256("bytes")).value(), "bytes");
  v1::UploadedFile other = file;
  other.set_size(6);
  EXPECT_THAT(std::string(CheckUpload(*store, "jobs/1/0.1", other).message()),
              HasSubstr("has 5 bytes, not 6"));
  other = file;
  other.set_etag("\"of something else\"");
  EXPECT_EQ(CheckUpload(*store, "jobs/1/0.1", other).code(), absl::StatusCode::kFailedPrecondition);
  // Another place, or another kind of file, was not signed.
  v1::Upload forged = upload;
  forged.mutable_url()->replace(forged.url().find("0.1?"), 3, "0.2");
  EXPECT_THAT(std::string(Fill(forged, "bytes").status().message()), HasSubstr("SignatureDoesNotMatch"));
  forged = upload;
  (*forged.mutable_headers())["content-type"] = "text/html";
  EXPECT_THAT(std::string(Fill(forged, "bytes").status().message()), HasSubstr("SignatureDoesNotMatch"));
}

TEST_F(S3ObjectStoreTest, WhatNeverWillWorkIsNamed) {
  const auto trial = [](const S3Options& options) {
    const absl::Status status = OpenS3(options)->TryOut();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(GetRetryDelay(status).has_value());
    EXPECT_FALSE(MayPass(status)) << status;
    return std::string(status.message());
  };
  S3Options wrong = options_;
  wrong.credentials.secret_access_key = "another";
  EXPECT_THAT(trial(wrong), HasSubstr("does not take the secret of the key AKIATEST: AWS_SECRET_ACCESS_KEY"));
  wrong = options_;
  wrong.credentials.access_key_id = "NOBODY";
  EXPECT_THAT(trial(wrong), HasSubstr("knows no key NOBODY (AWS_ACCESS_KEY_ID)"));
  wrong = options_;
  wrong.bucket = "no-such-bucket";
  EXPECT_THAT(trial(wrong), HasSubstr("has no bucket no-such-bucket"));
  wrong = options_;
  wrong.region = "us-east-1";
  EXPECT_THAT(trial(wrong), HasSubstr("expects the region eu-central-1, not us-east-1 (--s3-region"));
}

TEST_F(S3ObjectStoreTest, AnotherClockIsNamed) {
  support::S3Server skewed;
  skewed.Do("skewed");
  const absl::Status status = OpenS3(OptionsFor(skewed))->TryOut();
  EXPECT_THAT(std::string(status.message()), HasSubstr("set this machine's clock"));
}

TEST_F(S3ObjectStoreTest, WhatMayPassIsTriedAgainAndSaid) {
  support::S3Server down;
  const auto store = OpenS3(OptionsFor(down));
  down.Do("down");
  const absl::Status status = store->TryOut();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(MayPass(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("503 SlowDown"));
  EXPECT_EQ(down.Count(" 503"), 3);
  down.Stop("down");
  EXPECT_TRUE(store->TryOut().ok());
  S3Options nobody = options_;
  nobody.endpoint = *ParseWebUrl("http://127.0.0.1:1");
  const absl::Status unreachable = OpenS3(nobody)->TryOut();
  EXPECT_TRUE(MayPass(unreachable)) << unreachable;
  EXPECT_THAT(std::string(unreachable.message()),
              HasSubstr("http://127.0.0.1:1 does not answer: connecting: Connection refused"));
}

TEST_F(S3ObjectStoreTest, ItsCertificateIsJudged) {
  const support::TemporaryFolder folder;
  const support::Authority authority, another("another");
  authority.IssueForLoopback().Write(folder.string() + "/s3");
  support::ReplaceFile(folder.string() + "/ca.pem", authority.certificate());
  support::ReplaceFile(folder.string() + "/other.pem", another.certificate());
  support::S3Server encrypted(folder.string() + "/s3.crt", folder.string() + "/s3.key");
  S3Options options = OptionsFor(encrypted);
  options.ca_file = folder.string() + "/ca.pem";
  EXPECT_TRUE(OpenS3(options)->TryOut().ok());
  for (const std::string& file : {folder.string() + "/other.pem", std::string()}) {
    options.ca_file = file;
    EXPECT_THAT(std::string(OpenS3(options)->TryOut().message()),
                HasSubstr("securing the connection: certificate verify failed"));
  }
  prometheus::Registry registry;
  options.ca_file = folder.string() + "/none.pem";
  EXPECT_THAT(std::string(S3ObjectStore::Open(options, registry).status().message()),
              HasSubstr("none.pem: cannot read"));
}

TEST_F(S3ObjectStoreTest, WhoWaitsWhenItGoesIsAnswered) {
  support::S3Server server;
  auto store = OpenS3(OptionsFor(server));
  server.Hang();
  absl::Notification done;
  const Blob blob = MakeBlob("x");
  store->Put({"x", blob.hash}, blob.data, [&](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    done.Notify();
  });
  store.reset();
  EXPECT_TRUE(done.HasBeenNotified());
  server.GoOn();
}

}  // namespace
}  // namespace mind::server
