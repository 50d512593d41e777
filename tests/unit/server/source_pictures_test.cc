// Pictures that requests bring: on their way to the worker.
#include "server/store/source_pictures.h"

#include <gmock/gmock.h>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

using ::testing::IsEmpty;

TEST(SourcePictures, AreTakenOutOfASpecAndPutBack) {
  v1::ImageSpec spec;
  EXPECT_FALSE(HasPictures(spec));
  EXPECT_THAT(TakePictures(spec), IsEmpty());
  spec.set_source_image("source");
  spec.set_depth_image("depth");
  spec.add_controls()->set_network("edges");
  spec.mutable_controls(0)->set_image("control");
  for (const char* const picture : {"first", "second", "first"}) spec.add_reference_images(picture);
  const v1::ImageSpec whole = spec;
  PictureBytes bytes;
  for (const SourcePicture& picture : TakePictures(spec)) bytes[picture.blob.hash] = *picture.blob.data;
  EXPECT_EQ(bytes.size(), 5U);
  EXPECT_EQ(spec.reference_images(1), Sha256("second"));
  EXPECT_TRUE(HasPictures(spec));
  EXPECT_EQ(spec.source_image(), Sha256("source"));
  v1::ImageSpec dropped = spec;
  DropPictures(dropped);
  EXPECT_FALSE(HasPictures(dropped));
  EXPECT_EQ(dropped.controls(0).network(), "edges");
  EXPECT_EQ(dropped.reference_images_size(), 0);
  ASSERT_TRUE(PutPictures(bytes, spec));
  EXPECT_EQ(spec.SerializeAsString(), whole.SerializeAsString());
  spec.set_mask_image("no hash of those");
  EXPECT_FALSE(PutPictures(bytes, spec));
  v1::ImageSpec alone;
  alone.add_reference_images("picture");
  EXPECT_TRUE(HasPictures(alone));
}

class SourcePicturesTest : public ServiceRig {
 protected:
  SourcePicturesTest() {
    v1::Register registration;
    registration.set_name("w");
    *registration.add_models() = SmallModel("m");
    registration.mutable_models(0)->set_takes_source_image(true);
    registration_ = registration;
    request_ = SmallRequest("m", 2);
    request_.mutable_spec()->set_source_image("the source");
    request_.mutable_spec()->set_mask_image(std::string(1'000'000, 'm'));
  }
  std::shared_ptr<FakeSession> ConnectPainter(uint32_t room) {
    auto session = std::make_shared<FakeSession>();
    EXPECT_TRUE(Register(session, registration_).ok());
    SayCapacity(session, room);
    return session;
  }

  std::string EndOf(const std::string& id) {
    const auto job = Get(id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() && job->has_error() ? ReasonOf(FromProto(job->error())) : "";
  }

  v1::Register registration_;
  v1::JobRequest request_;
};

TEST_F(SourcePicturesTest, GoToTheWorkerAndNowhereElse) {
  const auto worker = ConnectPainter(2);
  const std::string id = Create(request_);
  ASSERT_EQ(worker->Assigned().size(), 1U);
  EXPECT_EQ(worker->Assigned()[0].spec().source_image(), "the source");
  EXPECT_EQ(worker->Assigned()[0].spec().mask_image(), request_.spec().mask_image());
  EXPECT_EQ(Get(id)->spec().source_image(), "");
  EXPECT_LT(store_.Now(id)->job.ByteSizeLong(), 1000U);
  for (const v1::JobEvent& event : WatchFrom(id).events) EXPECT_LT(event.ByteSizeLong(), 1000U);
}

TEST_F(SourcePicturesTest, AreThereAfterARestart) {
  ConnectPainter(0);
  const std::string id = Create(request_);
  Restart();
  const auto worker = ConnectPainter(2);
  ASSERT_EQ(worker->Assigned().size(), 1U);
  EXPECT_EQ(worker->Assigned()[0].spec().source_image(), "the source");
}

TEST_F(SourcePicturesTest, ThatAreGoneEndTheirJobAndNothingElse) {
  const auto worker = ConnectPainter(0);
  const std::string id = Create(request_);
  store_.LoseSources();
  SayCapacity(worker, 2);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_FAILED);
  EXPECT_EQ(EndOf(id), "PICTURE_GONE");
  EXPECT_THAT(worker->Assigned(), IsEmpty());
  EXPECT_EQ(ListWorkers().workers(0).running_images(), 0U);
  EXPECT_EQ(StateOf(Create(request_)), v1::JOB_STATE_RUNNING);
}

TEST_F(SourcePicturesTest, ThatCannotBeReadForNowAreWaitedFor) {
  const auto worker = ConnectPainter(2);
  store_.cannot_read_images = true;
  const std::string id = Create(request_);
  Tick(absl::Seconds(2));
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_RUNNING);
  EXPECT_THAT(worker->Assigned(), IsEmpty());
  store_.cannot_read_images = false;
  Tick(absl::Seconds(2));
  ASSERT_EQ(worker->Assigned().size(), 1U);
  EXPECT_EQ(worker->Assigned()[0].spec().source_image(), "the source");
}

TEST_F(SourcePicturesTest, ThatAreTooLargeAreRefused) {
  ConnectPainter(2);
  request_.mutable_spec()->set_mask_image(std::string(17 * 1024 * 1024, 'x'));
  EXPECT_EQ(Submit(request_).status().message(),
            "spec.mask_image: 17825792 bytes given, at most 16777216 are allowed");
}

TEST_F(SourcePicturesTest, ThatAreTooLargeTogetherAreRefused) {
  v1::ModelInput& controls = *registration_.mutable_models(0)->add_inputs();
  controls.set_role(v1::INPUT_ROLE_CONTROL);
  controls.set_most(4);
  controls.add_networks("edges");
  ConnectPainter(2);
  request_.mutable_spec()->clear_mask_image();
  for (int i = 0; i < 4; ++i) {
    v1::ControlPicture& control = *request_.mutable_spec()->add_controls();
    control.set_network("edges");
    control.set_image(std::string(13 * 1024 * 1024, 'x'));
  }
  EXPECT_THAT(
      std::string(Submit(request_).status().message()),
      ::testing::HasSubstr("spec.controls[3].image: 54525962 bytes given with the pictures before it, at "
                           "most 50331648 are allowed"));
}

TEST_F(SourcePicturesTest, ArePartOfWhatARequestIdCovers) {
  ConnectPainter(2);
  request_.set_request_id("r");
  const std::string id = Create(request_);
  EXPECT_EQ(Create(request_), id);
  request_.mutable_spec()->set_source_image("another");
  EXPECT_EQ(ReasonOf(Submit(request_).status()), "REQUEST_ID_REUSED");
}

}  // namespace
}  // namespace mind::server
