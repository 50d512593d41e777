// What the service makes of what workers report: whom it believes, what it shows of it.
#include <gmock/gmock.h>

#include <cmath>

#include "absl/strings/str_cat.h"

#include "proto/support/errors.h"
#include "server/generation/check_report.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class WorkerReportsTest : public ServiceRig {
 protected:
  static v1::ImageRef Ref(const std::string& job, uint32_t attempt, uint32_t image) {
    v1::ImageRef ref;
    ref.set_job_id(job);
    ref.set_attempt(attempt);
    ref.set_image_index(image);
    return ref;
  }
  void Preview(const std::shared_ptr<FakeSession>& worker, const v1::ImageRef& image, uint32_t shown) {
    v1::ConnectRequest message;
    *message.mutable_image_preview()->mutable_image() = image;
    v1::Preview& preview = *message.mutable_image_preview()->mutable_preview();
    preview.set_image_index(shown);
    preview.set_media_type("image/jpeg");
    preview.set_data("a preview");
    Say(worker, message);
  }
  void Progress(const std::shared_ptr<FakeSession>& worker, const v1::ImageRef& image) {
    v1::ConnectRequest message;
    *message.mutable_image_progress()->mutable_image() = image;
    message.mutable_image_progress()->set_step(1);
    message.mutable_image_progress()->set_steps(20);
    Say(worker, message);
  }
  int Shown(const std::string& job) {
    int shown = 0;
    for (const v1::JobEvent& event : WatchFrom(job).events) {
      shown += event.has_preview() || event.has_progress() ? 1 : 0;
    }
    return shown;
  }
};

TEST_F(WorkerReportsTest, ProgressOfSeveralPicturesIsThatOfEach) {
  const auto worker = Connect("w", 2);
  const std::string id = Create(SmallRequest("m", 2));
  const auto forger = Connect("forger", 2);
  v1::ConnectRequest message;
  for (uint32_t image = 0; image < 2; ++image) {
    v1::ImageProgress& progress = *message.mutable_images_progress()->add_images();
    *progress.mutable_image() = Ref(id, 1, image);
    progress.set_step(3 + image);
    progress.set_steps(20);
  }
  Say(forger, message);
  EXPECT_EQ(Shown(id), 0);
  Say(worker, message);
  EXPECT_EQ(Shown(id), 2);
}

TEST_F(WorkerReportsTest, WatchersSeeOnlyWhatTheWorkerOfThePictureSays) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  const auto forger = Connect("forger", 1);
  for (uint32_t image = 0; image < 5; ++image) {
    Preview(forger, Ref(id, 1, image), image);
    Progress(forger, Ref(id, 1, image));
  }
  Preview(worker, Ref(id, 1, 1), 1);  // the job has one picture
  Preview(worker, Ref(id, 2, 0), 0);  // and one attempt
  Preview(worker, Ref(id, 1, 0), 7);
  EXPECT_EQ(Shown(id), 0);
  Preview(worker, Ref(id, 1, 0), 0);
  Progress(worker, Ref(id, 1, 0));
  EXPECT_EQ(Shown(id), 2);
  EXPECT_EQ(metrics_.reports_refused["BAD_PREVIEW"].Value(), 1);
}

TEST_F(WorkerReportsTest, AResultThatIsNotWhatWasAskedForIsAFailureOfItsWorker) {
  const auto bad = Connect("bad", 1);
  const std::string id = Create();
  Connect("good", 1);
  v1::ConnectRequest message;
  v1::ImageResult& result = *message.mutable_image_result();
  *result.mutable_image() = Ref(id, 1, 0);
  result.set_media_type("text/html");
  result.set_data("a picture of something else");
  Say(bad, message);
  const auto job = Get(id);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(job->attempt(), 2U);
  EXPECT_EQ(job->images_done(), 0U);
  EXPECT_EQ(metrics_.reports_refused["BAD_RESULT"].Value(), 1);
}

TEST_F(WorkerReportsTest, AResultMustHaveTheFormatAndBytes) {
  v1::ImageSpec spec;
  spec.set_format(v1::IMAGE_FORMAT_JPEG);
  v1::ImageResult result;
  result.mutable_image()->set_image_index(2);
  result.set_media_type("image/jpeg");
  result.set_data("picture");
  EXPECT_TRUE(CheckResult(spec, result).ok());
  const auto refused = [&](auto change) {
    v1::ImageResult changed = result;
    change(changed);
    const absl::Status status = CheckResult(spec, changed);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    return std::string(status.message());
  };
  EXPECT_THAT(refused([](v1::ImageResult& r) { r.set_media_type("text/html"); }),
              testing::HasSubstr("\"text/html\" where image/jpeg"));
  EXPECT_THAT(refused([](v1::ImageResult& r) { r.clear_data(); }), testing::HasSubstr("without bytes"));
}

TEST_F(WorkerReportsTest, AResultLargerThanItsPixelsIsNone) {
  v1::ImageSpec spec;
  spec.set_width(64);
  spec.set_height(64);
  v1::ImageResult result;
  result.set_media_type("image/png");
  result.set_data(std::string(4 << 20, 'x'));
  EXPECT_TRUE(CheckResult(spec, result).ok());
  result.set_data(std::string(5 << 20, 'x'));
  EXPECT_THAT(std::string(CheckResult(spec, result).message()),
              testing::HasSubstr("where 4096 pixels were asked for"));
  v1::ImageSpec larger = spec;
  larger.mutable_hires()->set_width(512);
  larger.mutable_hires()->set_height(512);
  EXPECT_TRUE(CheckResult(larger, result).ok());
  larger = spec;  // it is as large as its source picture, whatever that is
  larger.mutable_only_masked();
  EXPECT_TRUE(CheckResult(larger, result).ok());
}

TEST_F(WorkerReportsTest, WhatAWorkerSaysOfItselfHasLimits) {
  v1::Register registration;
  registration.set_name("w");
  for (int i = 0; i < 256; ++i) *registration.add_models() = SmallModel(absl::StrCat("m", i));
  EXPECT_TRUE(CheckRegistration(registration).ok());
  const auto refused = [&](auto change) {
    v1::Register changed = registration;
    change(changed);
    const absl::Status status = CheckRegistration(changed);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  using testing::HasSubstr;
  EXPECT_THAT(refused([](v1::Register& r) { *r.add_models() = SmallModel("more"); }),
              HasSubstr("257 models; at most 256"));
  EXPECT_THAT(refused([](v1::Register& r) { r.mutable_models(1)->set_name("m0"); }),
              HasSubstr("two are named \"m0\""));
  EXPECT_THAT(refused([](v1::Register& r) { r.mutable_models(1)->set_name(std::string(300, 'x')); }),
              HasSubstr("has more than 200 bytes"));
  EXPECT_THAT(refused([](v1::Register& r) {
                r.mutable_models(1)->mutable_samplers(0)->set_name(std::string(2 << 20, 'x'));
              }),
              HasSubstr("the description of \"m1\""));
  EXPECT_THAT(refused([](v1::Register& r) { r.set_device(std::string(300, 'x')); }),
              HasSubstr("register.device: 300 bytes"));
}

TEST_F(WorkerReportsTest, ReportsAreCutToWhatCanBeTrue) {
  v1::ConnectRequest report;
  report.mutable_image_progress()->set_step(4'000'000'000);
  report.mutable_image_progress()->set_steps(20);
  CutToSize(report);
  EXPECT_EQ(report.image_progress().step(), 20U);

  for (int i = 0; i < 5000; ++i) report.mutable_images_progress()->add_images()->set_step(7);
  CutToSize(report);
  EXPECT_EQ(report.images_progress().images_size(), 1024);
  EXPECT_EQ(report.images_progress().images(0).step(), 0U);

  for (int i = 0; i < 5000; ++i) report.mutable_capacity()->add_loaded_models("m");
  CutToSize(report);
  EXPECT_EQ(report.capacity().loaded_models_size(), 256);

  google::rpc::Status& error = *report.mutable_image_failure()->mutable_error();
  CutToSize(report);
  EXPECT_EQ(error.code(), static_cast<int>(absl::StatusCode::kInternal));  // a failure that was none
  error.set_code(3);
  error.set_message(std::string(100'000, 'x') + "\x1b[2J");
  error.add_details()->set_value(std::string(100'000, 'x'));
  CutToSize(report);
  EXPECT_EQ(error.code(), 3);
  EXPECT_LT(error.ByteSizeLong(), 1100U);
}

TEST_F(WorkerReportsTest, AHostileWorkerNeitherStopsOthersNorIsBelieved) {
  const auto worker = Connect("w", 1);
  const std::string id = Create();
  const auto hostile = Connect("hostile", 1000);
  v1::ConnectRequest message;
  for (uint32_t image = 0; image < 3; ++image) {
    for (uint32_t attempt = 0; attempt < 3; ++attempt) {
      const v1::ImageRef ref = Ref(id, attempt, image);
      *message.mutable_image_result()->mutable_image() = ref;
      message.mutable_image_result()->set_media_type("image/png");
      message.mutable_image_result()->set_data("not what was asked for");
      Say(hostile, message);
      *message.mutable_image_failure()->mutable_image() = ref;
      Say(hostile, message);
      *message.mutable_image_checkpoint()->mutable_image() = ref;
      message.mutable_image_checkpoint()->set_step(19);
      message.mutable_image_checkpoint()->set_data("not a checkpoint");
      Say(hostile, message);
      *message.mutable_image_handed_back()->mutable_image() = ref;
      Say(hostile, message);
      *message.mutable_image_cancelled()->mutable_image() = ref;
      Say(hostile, message);
      *message.mutable_image_started()->mutable_image() = ref;
      Say(hostile, message);
    }
  }
  EXPECT_EQ(Get(id)->state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Get(id)->attempt(), 1U);
  EXPECT_EQ(Get(id)->images_done(), 0U);
  EXPECT_EQ(Shown(id), 0);
  // What it says of speed is about models that it offers, and within reason.
  v1::Capacity& capacity = *message.mutable_capacity();
  capacity.set_max_images(4'000'000'000);
  capacity.add_loaded_models("another's");
  capacity.set_steps_per_second(std::nan(""));
  capacity.set_batch_rows(-1);
  for (const auto& [model, seconds] : {std::pair("m", 1e-300), std::pair("another's", 1.0)}) {
    v1::ModelSpeed& speed = *capacity.add_speeds();
    speed.set_model(model);
    speed.set_row_seconds(seconds);
  }
  Say(hostile, message);
  const auto [reply, answer] = Expect<v1::ListWorkersResponse>();
  service().ListWorkers(answer);
  const auto workers = Answered<v1::ListWorkersResponse>(reply);
  ASSERT_TRUE(workers.ok()) << workers.status();
  for (const v1::Worker& one : workers->workers()) {
    EXPECT_LE(one.max_images(), 1024U);
    EXPECT_EQ(one.steps_per_second(), 0);
    EXPECT_EQ(one.batch_rows(), 0);
    for (const std::string& model : one.loaded_models()) EXPECT_EQ(model, "m");
  }
}

TEST_F(WorkerReportsTest, ItsPaceIsShown) {
  const auto worker = Connect("w", 4);
  v1::ConnectRequest message;
  message.mutable_capacity()->set_max_images(4);
  message.mutable_capacity()->set_steps_per_second(41.5);
  message.mutable_capacity()->set_batch_rows(3.5);
  Say(worker, message);
  EXPECT_EQ(ListWorkers().workers(0).steps_per_second(), 41.5);
  EXPECT_EQ(ListWorkers().workers(0).batch_rows(), 3.5);
}

TEST_F(WorkerReportsTest, APreviewTooLargeForAMessageIsNone) {
  v1::ImagePreview preview;
  preview.mutable_preview()->set_media_type("image/jpeg");
  preview.mutable_preview()->set_data("x");
  EXPECT_TRUE(CheckPreview(preview).ok());
  preview.mutable_preview()->set_data(std::string(4 << 20, 'x'));
  EXPECT_EQ(ReasonOf(CheckPreview(preview)), "BAD_PREVIEW");
}

TEST_F(WorkerReportsTest, ANameThatIsTakenIsRefusedAndItsOwnerKeepsItsWork) {
  auto owner = std::make_shared<FakeSession>(), other = std::make_shared<FakeSession>();
  v1::Register registration;
  registration.set_name("w");
  registration.set_instance("a");
  *registration.add_models() = SmallModel("m");
  ASSERT_TRUE(Register(owner, registration).ok());
  v1::ConnectRequest capacity;
  capacity.mutable_capacity()->set_max_images(1);
  Say(owner, capacity);
  const std::string id = Create();
  registration.set_instance("b");
  EXPECT_EQ(Register(other, registration).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_FALSE(owner->closed);
  EXPECT_EQ(metrics_.reports_refused["WORKER_NAME_TAKEN"].Value(), 1);
  Finish(owner, id);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(WorkerReportsTest, GaugesOfAModelFallToZeroAlsoWithNobodyThereToServeIt) {
  const auto worker = Connect("w", 0);
  Lose(worker);
  std::vector<std::string> waiting;
  for (int i = 0; i < 6; ++i) waiting.push_back(Create());
  Tick();
  EXPECT_EQ(metrics_.requests_waiting["m"].Value(), 6);
  EXPECT_GT(metrics_.waiting_seconds["m"].Value(), 0);
  for (const std::string& id : waiting) {
    EXPECT_TRUE(Cancel(id).ok());
  }
  Tick();
  EXPECT_EQ(metrics_.requests_waiting["m"].Value(), 0);
  EXPECT_EQ(metrics_.waiting_steps["m"].Value(), 0);
  EXPECT_EQ(metrics_.waiting_seconds["m"].Value(), 0);
}

TEST_F(WorkerReportsTest, AWorkerThatHangsIsShownAsStuckWhileItSendsHeartbeats) {
  const auto worker = Connect("w", 4);
  const std::string id = Create();
  const auto heartbeat = [&] {
    v1::ConnectRequest message;
    message.mutable_capacity()->set_max_images(4);
    Say(worker, message);
  };
  for (int i = 0; i < 700; ++i) {
    heartbeat();
    Tick(absl::Seconds(1));
  }
  ASSERT_EQ(ListWorkers().workers_size(), 1);
  EXPECT_EQ(ListWorkers().workers(0).state(), v1::WORKER_STATE_STUCK);
  EXPECT_EQ(metrics_.workers["stuck"].Value(), 1);
  EXPECT_EQ(metrics_.stalls.Value(), 1);
  EXPECT_EQ(StateOf(id), v1::JOB_STATE_QUEUED);
}

}  // namespace
}  // namespace mind::server
