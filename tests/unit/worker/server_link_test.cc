#include "worker/link/server_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/fake_server.h"

namespace mind {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = v1::ConnectRequest::MessageCase;

// Does nothing of its own: the test tells what happens to pictures.
class FakeMaker : public Maker {
 public:
  using Events = std::shared_ptr<diffusion::TrajectoryEvents>;

  std::vector<v1::Model> Models() const override {
    const absl::MutexLock lock(&mutex_);
    return models_;
  }
  void HaveModel(const std::string& name) {
    const absl::MutexLock lock(&mutex_);
    models_.emplace_back().set_name(name);
  }
  v1::Capacity Capacity() const override {
    v1::Capacity capacity;
    capacity.set_last_step_age_ms(77);
    return capacity;
  }
  uint64_t Submit(diffusion::TrajectoryRequest, Events events) override {
    const absl::MutexLock lock(&mutex_);
    events_.push_back(std::move(events));
    return events_.size();
  }
  void Cancel(uint64_t) override {}
  void HandBack(uint64_t id) override {
    const absl::MutexLock lock(&mutex_);
    told_to_hand_back_.push_back(id);
  }

  // Of the picture that was submitted as that one, from 0.
  Events AwaitPicture(size_t number) {
    const absl::MutexLock lock(&mutex_);
    const auto here = [&] { return events_.size() > number; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&here), absl::Minutes(1)));
    return events_[number];
  }
  void AwaitHandBack(uint64_t id) {
    const absl::MutexLock lock(&mutex_);
    const auto told = [&] {
      return std::find(told_to_hand_back_.begin(), told_to_hand_back_.end(), id) != told_to_hand_back_.end();
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&told), absl::Minutes(1)));
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<v1::Model> models_;
  std::vector<Events> events_;
  std::vector<uint64_t> told_to_hand_back_;
};

class ServerLinkTest : public ::testing::Test {
 protected:
  ServerLink::Options Options() const {
    ServerLink::Options options;
    options.server = server_.address();
    options.name = "w";
    options.device = "cpu";
    options.backoff = {.first = absl::Milliseconds(1), .longest = absl::Milliseconds(10)};
    return options;
  }
  void Assign(const std::string& job, uint32_t images = 1) {
    v1::ConnectResponse response;
    response.mutable_assign()->set_job_id(job);
    response.mutable_assign()->set_attempt(1);
    for (uint32_t i = 0; i < images; ++i) response.mutable_assign()->add_images()->set_image_index(i);
    server_.Send(response);
  }
  void Take(const std::string& job) {
    v1::ConnectResponse response;
    *response.mutable_taken()->mutable_image() = Ref(job, 0);
    server_.Send(response);
  }

  FakeServer server_;
  FakeMaker maker_;
  WorkerMetrics metrics_;
};

at::Tensor Black() {
  return at::zeros({4, 4, 3}, at::kByte);
}

TEST_F(ServerLinkTest, RegistersThenTellsItsCapacity) {
  ServerLink link(Options(), maker_, metrics_);
  const v1::ConnectRequest registration = server_.AwaitMessage(0, Kind::kRegister);
  EXPECT_EQ(registration.register_().name(), "w");
  EXPECT_EQ(registration.register_().instance().size(), 32U);
  const v1::ConnectRequest capacity = server_.AwaitMessage(0, Kind::kCapacity);
  EXPECT_EQ(capacity.capacity().max_images(), 16U);
  EXPECT_EQ(capacity.capacity().last_step_age_ms(), 77U);
  server_.Break();
  // The same process, on another stream.
  EXPECT_EQ(server_.AwaitMessage(1, Kind::kRegister).register_().instance(),
            registration.register_().instance());
}

TEST_F(ServerLinkTest, OtherModelsAreOfferedWhereTheServerUnderstandsIt) {
  server_.UnderstandOffers();
  ServerLink link(Options(), maker_, metrics_);
  server_.AwaitMessage(0, Kind::kCapacity);
  maker_.HaveModel("new");
  link.ModelsChanged();
  const v1::ConnectRequest offer = server_.AwaitMessage(0, Kind::kModelsOffered);
  ASSERT_EQ(offer.models_offered().models_size(), 1);
  EXPECT_EQ(offer.models_offered().models(0).name(), "new");
}

TEST_F(ServerLinkTest, AnOlderServerLearnsOfOtherModelsByTheNextStream) {
  ServerLink link(Options(), maker_, metrics_);
  server_.AwaitMessage(0, Kind::kCapacity);
  maker_.HaveModel("new");
  link.ModelsChanged();
  const v1::ConnectRequest registration = server_.AwaitMessage(1, Kind::kRegister);
  ASSERT_EQ(registration.register_().models_size(), 1);
  EXPECT_EQ(registration.register_().models(0).name(), "new");
}

TEST_F(ServerLinkTest, ProgressGoesTogetherWhereTheServerUnderstandsIt) {
  server_.UnderstandImagesProgress();
  ServerLink link(Options(), maker_, metrics_);
  server_.AwaitMessage(0, Kind::kCapacity);
  Assign("a", 3);
  for (size_t i = 0; i < 3; ++i) maker_.AwaitPicture(i);
  // What is said while a message is on its way waits, and goes together.
  for (int64_t step = 1; !server_.HasHeard(0, Kind::kImagesProgress); ++step) {
    for (size_t i = 0; i < 3; ++i) maker_.AwaitPicture(i)->OnStep(step, 1'000'000'000);
  }
  const v1::ConnectRequest together = server_.AwaitMessage(0, Kind::kImagesProgress);
  EXPECT_GE(together.images_progress().images_size(), 2);
  for (size_t i = 0; i < 3; ++i) maker_.AwaitPicture(i)->OnCancelled(1);
}

TEST_F(ServerLinkTest, APictureFinishedWhileTheStreamIsBrokenIsTheNextOnesFirstReport) {
  ServerLink link(Options(), maker_, metrics_);
  server_.AwaitMessage(0, Kind::kCapacity);
  Assign("a");
  const FakeMaker::Events events = maker_.AwaitPicture(0);
  events->OnCheckpoint(3, "state");
  server_.AwaitLine(0, "checkpoint a/0 3");
  server_.Break();
  maker_.AwaitHandBack(1);  // which does not help: it is decoding
  events->OnPicture(Black());
  EXPECT_THAT(server_.AwaitLine(1, "result a/0"), ElementsAre("register", "result a/0"));

  // Not taken: again on the next, and only until it is.
  server_.Break();
  EXPECT_THAT(server_.AwaitLine(2, "result a/0"), ElementsAre("register", "result a/0"));
  Take("a");
  Assign("b");  // read after the other
  maker_.AwaitPicture(1)->OnHandedBack(0, "");
  server_.AwaitLine(2, "handed back b/0 0");
  server_.Break();
  server_.AwaitMessage(3, Kind::kCapacity);
  EXPECT_THAT(server_.AwaitLine(3, "register"), ElementsAre("register"));
}

TEST_F(ServerLinkTest, TheNewestStateOfWhatWasStoppedIsOffered) {
  ServerLink link(Options(), maker_, metrics_);
  server_.AwaitMessage(0, Kind::kCapacity);
  Assign("a", /*images=*/2);
  const FakeMaker::Events first = maker_.AwaitPicture(0), second = maker_.AwaitPicture(1);
  first->OnCheckpoint(3, "state");
  second->OnCheckpoint(4, "state");
  server_.AwaitLine(0, "checkpoint a/1 4");
  server_.Break();
  maker_.AwaitHandBack(2);
  first->OnHandedBack(5, "newer state");
  second->OnHandedBack(0, "");  // it could not be serialised
  EXPECT_THAT(server_.AwaitLine(1, "checkpoint a/0 5"),
              ElementsAre("register", "checkpoint a/1 4", "checkpoint a/0 5"));
}

TEST_F(ServerLinkTest, PicturesThatCannotBeStoppedTakeRoomOnTheNextStream) {
  ServerLink::Options options = Options();
  options.stop_limit = absl::ZeroDuration();
  ServerLink link(options, maker_, metrics_);
  server_.AwaitMessage(0, Kind::kCapacity);
  Assign("a");
  const FakeMaker::Events events = maker_.AwaitPicture(0);
  server_.Break();
  EXPECT_EQ(server_.AwaitMessage(1, Kind::kCapacity).capacity().max_images(), 15U);
  events->OnPicture(Black());  // what comes of it goes to whoever is connected
  server_.AwaitLine(1, "result a/0");
}

TEST_F(ServerLinkTest, AnAssignmentItCannotReadFailsThatPictureAlone) {
  ServerLink link(Options(), maker_, metrics_);
  server_.AwaitMessage(0, Kind::kCapacity);
  v1::ConnectResponse response;
  response.mutable_assign()->set_job_id("a");
  response.mutable_assign()->add_images();
  (*response.mutable_assign()->mutable_spec()->mutable_sampler_parameters())["eta"].mutable_struct_value();
  server_.Send(response);
  const v1::ConnectRequest report = server_.AwaitMessage(0, Kind::kImageFailure);
  EXPECT_EQ(report.image_failure().error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(report.image_failure().error().message(), HasSubstr("eta"));
  Assign("b");
  maker_.AwaitPicture(0)->OnCancelled(0);
  server_.AwaitLine(0, "cancelled b/0");
}

TEST_F(ServerLinkTest, DrainingFinishesWhatCanBeFinished) {
  ServerLink link(Options(), maker_, metrics_);
  server_.AwaitMessage(0, Kind::kCapacity);
  Assign("a");
  const FakeMaker::Events events = maker_.AwaitPicture(0);
  std::thread server([&] {
    server_.AwaitLine(0, "draining");
    events->OnPicture(Black());
    server_.AwaitLine(0, "result a/0");
    Take("a");
  });
  EXPECT_TRUE(link.Drain(absl::Minutes(10)));
  server.join();
}

TEST_F(ServerLinkTest, DrainingDoesNotWaitForAStepWithoutEnd) {
  ServerLink link(Options(), maker_, metrics_);
  server_.AwaitMessage(0, Kind::kCapacity);
  Assign("a", /*images=*/2);
  const FakeMaker::Events first = maker_.AwaitPicture(0), second = maker_.AwaitPicture(1);
  first->OnCheckpoint(6, "state");
  EXPECT_FALSE(link.Drain(absl::ZeroDuration()));
  EXPECT_THAT(server_.AwaitLine(0, "handed back a/1 0"), ::testing::Contains("handed back a/0 6"));
  EXPECT_EQ(server_.AwaitMessage(0, Kind::kImageHandedBack).image_handed_back().image().image_index(), 1U);
  first->OnHandedBack(7, "state");
  second->OnHandedBack(0, "");
}

class ServerLinkTestOfUploads : public ServerLinkTest {
 protected:
  ServerLink::Options Options() const {
    ServerLink::Options options = ServerLinkTest::Options();
    options.uploads = uploads_.get();
    return options;
  }
  // A picture of one job, to be put where nobody listens.
  void AssignTo(const std::string& job, uint64_t above_bytes,
                const std::string& url = "http://127.0.0.1:1/x") {
    v1::ConnectResponse response;
    response.mutable_assign()->set_job_id(job);
    response.mutable_assign()->set_attempt(1);
    v1::Upload& upload = *response.mutable_assign()->add_images()->mutable_upload();
    upload.set_url(url);
    upload.set_above_bytes(above_bytes);
    server_.Send(response);
  }
  void Want(const std::string& job) {
    v1::ConnectResponse response;
    *response.mutable_wanted()->mutable_image() = Ref(job, 0);
    server_.Send(response);
  }
  const std::unique_ptr<HttpClient> uploads_ = *HttpClient::Create("");
};

TEST_F(ServerLinkTestOfUploads, WhatCannotBePutThereIsSent) {
  ServerLink link(Options(), maker_, metrics_);
  EXPECT_TRUE(server_.AwaitMessage(0, Kind::kRegister).register_().uploads());
  server_.AwaitMessage(0, Kind::kCapacity);
  AssignTo("a", 0);
  maker_.AwaitPicture(0)->OnPicture(Black());
  const v1::ConnectRequest sent = server_.AwaitMessage(0, Kind::kImageResult);
  EXPECT_FALSE(sent.image_result().data().empty());
  EXPECT_FALSE(sent.image_result().has_uploaded());
  EXPECT_EQ(metrics_.upload_failures.Value(), 1);
  AssignTo("b", 0, "no place");
  maker_.AwaitPicture(1)->OnPicture(Black());
  server_.AwaitLine(0, "result b/0");
  // One that is small enough is not tried.
  AssignTo("c", 1'000'000);
  maker_.AwaitPicture(2)->OnPicture(Black());
  server_.AwaitLine(0, "result c/0");
  EXPECT_EQ(metrics_.upload_failures.Value(), 2);
}

TEST_F(ServerLinkTestOfUploads, WhatIsWantedIsSentAgain) {
  ServerLink link(Options(), maker_, metrics_);
  server_.AwaitMessage(0, Kind::kCapacity);
  AssignTo("a", 1'000'000);
  maker_.AwaitPicture(0)->OnPicture(Black());
  server_.AwaitLine(0, "result a/0");
  Want("a");
  server_.AwaitLines(0, [](const std::vector<std::string>& lines) {
    return std::count(lines.begin(), lines.end(), "result a/0") == 2;
  });
  // What it has not any more is to be made again.
  Want("b");
  server_.AwaitLine(0, "handed back b/0 0");
}

TEST_F(ServerLinkTest, WithoutAClientItDoesNotSayThatItPutsPicturesAnywhere) {
  ServerLink link(Options(), maker_, metrics_);
  EXPECT_FALSE(server_.AwaitMessage(0, Kind::kRegister).register_().uploads());
}

}  // namespace
}  // namespace mind
