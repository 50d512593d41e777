// Pictures that workers put elsewhere: who is told where, and what the service makes of it.
#include <gmock/gmock.h>

#include "server/store/object_store.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using testing::HasSubstr;

// Answers when a test says so.
class FakeObjects : public ObjectStore {
 public:
  size_t above() const override { return 100; }
  void Put(const StoredObject&, std::shared_ptr<const std::string>,
           std::function<void(absl::Status)> done) override {
    done(absl::OkStatus());
  }
  void Get(const StoredObject&,
           std::function<void(absl::StatusOr<std::optional<std::string>>)> done) override {
    done(std::nullopt);
  }
  void Delete(const std::string&) override {}
  v1::Upload Grant(const std::string& key, const std::string& media_type) const override {
    v1::Upload upload;
    upload.set_url("http://there/" + key);
    (*upload.mutable_headers())["content-type"] = media_type;
    upload.set_above_bytes(above());
    return upload;
  }
  void Check(const std::string& key, const v1::UploadedFile&,
             std::function<void(absl::Status)> done) override {
    checked.push_back(key);
    answers.push_back(std::move(done));
  }

  std::vector<std::string> checked;
  std::vector<std::function<void(absl::Status)>> answers;
};

class UploadsTest : public ServiceRig {
 protected:
  UploadsTest() { options_.objects = &objects_; }

  std::shared_ptr<FakeSession> ConnectUploader(const std::string& name) {
    auto session = std::make_shared<FakeSession>();
    v1::Register registration;
    registration.set_name(name);
    registration.set_uploads(true);
    *registration.add_models() = SmallModel("m");
    EXPECT_TRUE(Register(session, registration).ok());
    SayCapacity(session, 4);
    return session;
  }
  static v1::ConnectRequest Uploaded(const std::string& job, uint32_t attempt = 1) {
    v1::ConnectRequest message;
    v1::ImageResult& result = *message.mutable_image_result();
    result.mutable_image()->set_job_id(job);
    result.mutable_image()->set_attempt(attempt);
    result.set_media_type("image/png");
    result.mutable_uploaded()->set_size(1234);
    result.mutable_uploaded()->set_sha256(std::string(32, 'h'));
    result.mutable_uploaded()->set_etag("\"tag\"");
    return message;
  }
  void Answer(const absl::Status& status) {
    objects_.answers.back()(status);
    Settle();
  }
  static int Wanted(const FakeSession& worker) {
    int wanted = 0;
    for (const v1::ConnectResponse& message : worker.sent) wanted += message.has_wanted() ? 1 : 0;
    return wanted;
  }
  static bool Taken(const FakeSession& worker) {
    for (const v1::ConnectResponse& message : worker.sent) {
      if (message.has_taken()) return true;
    }
    return false;
  }

  FakeObjects objects_;
};

TEST_F(UploadsTest, OnlyWorkersThatUnderstandItAreToldWhere) {
  const auto old = Connect("old", 1);
  Create();
  ASSERT_EQ(old->Assigned().size(), 1U);
  EXPECT_FALSE(old->Assigned()[0].images(0).has_upload());
  const auto worker = ConnectUploader("new");
  v1::JobRequest request = SmallRequest("m", 2);
  request.mutable_spec()->set_format(v1::IMAGE_FORMAT_WEBP);
  const std::string id = Create(request);
  ASSERT_EQ(worker->Assigned().size(), 1U);
  const v1::Assign assign = worker->Assigned()[0];
  for (int i = 0; i < 2; ++i) {
    const v1::Upload& upload = assign.images(i).upload();
    EXPECT_EQ(upload.url(), "http://there/jobs/" + id + "/" + std::to_string(i) + ".1");
    EXPECT_EQ(upload.headers().at("content-type"), "image/webp");
    EXPECT_EQ(upload.above_bytes(), 100U);
  }
}

TEST_F(UploadsTest, APictureCountsOnceItIsKnownToBeThere) {
  const auto worker = ConnectUploader("w");
  const std::string id = Create();
  Say(worker, Uploaded(id));
  Say(worker, Uploaded(id));  // it is being looked at already
  EXPECT_THAT(objects_.checked, testing::ElementsAre("jobs/" + id + "/0.1"));
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
  EXPECT_FALSE(Taken(*worker));
  Answer(absl::OkStatus());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(Taken(*worker));
  EXPECT_EQ(store_.Now(id)->images.size(), 1U);
}

TEST_F(UploadsTest, OneThatIsNotThereIsAskedForAndTakenAsBytes) {
  const auto worker = ConnectUploader("w");
  const std::string id = Create();
  Say(worker, Uploaded(id));
  Answer(absl::FailedPreconditionError("what was uploaded is not there"));
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
  ASSERT_EQ(Wanted(*worker), 1);
  EXPECT_FALSE(Taken(*worker));
  EXPECT_THAT(worker->sent.back().wanted().why().message(), HasSubstr("is not there"));
  EXPECT_EQ(worker->sent.back().wanted().image().job_id(), id);
  v1::ConnectRequest whole = Uploaded(id);
  whole.mutable_image_result()->clear_uploaded();
  whole.mutable_image_result()->set_data("bytes");
  Say(worker, whole);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(UploadsTest, AServerWithoutAPlaceAsksForIt) {
  options_.objects = nullptr;
  const auto worker = ConnectUploader("w");
  const std::string id = Create();
  Say(worker, Uploaded(id));
  EXPECT_EQ(Wanted(*worker), 1);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
}

// Whoever makes the picture by then has its own.
TEST_F(UploadsTest, WhatIsFoundOutTooLateChangesNothing) {
  const auto lost = ConnectUploader("lost");
  const std::string id = Create();
  Say(lost, Uploaded(id));
  Lose(lost);
  const auto next = ConnectUploader("next");
  ASSERT_EQ(next->Assigned().size(), 1U);
  Answer(absl::OkStatus());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Wanted(*lost) + Wanted(*next), 0);
  Say(next, Uploaded(id, 2));
  EXPECT_THAT(objects_.checked.back(), HasSubstr("/0.2"));
  Answer(absl::OkStatus());
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(UploadsTest, WhatNobodyAskedForIsNotLookedAt) {
  const auto worker = ConnectUploader("w"), forger = ConnectUploader("forger");
  const std::string id = Create();
  const auto holder = worker->Assigned().empty() ? forger : worker;
  Say(holder == worker ? forger : worker, Uploaded(id));
  v1::ConnectRequest bad = Uploaded(id);
  bad.mutable_image_result()->mutable_uploaded()->set_sha256("short");
  Say(holder, bad);
  EXPECT_THAT(objects_.checked, testing::IsEmpty());
  EXPECT_EQ(Get(id)->images_done(), 0U);
}

}  // namespace
}  // namespace mind::server
