#include "tests/bench/server/null_worker.h"

#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/bench/server/connection.h"

namespace mind::bench {
namespace {

constexpr double kRowSeconds = 1e-4;
// About what the model that ships makes: a PNG of 64×64.
constexpr size_t kPictureBytes = 8 << 10;
// A picture of no job: the server has no use for its result, says so in its turn, and writes nothing.
constexpr char kPing[] = "ping";

v1::Model Describe(const std::string& name) {
  v1::Model model;
  model.set_name(name);
  model.set_pipeline("NullPipeline");
  model.set_takes_prompt(true);
  model.set_takes_negative_prompt(true);
  model.set_takes_source_image(true);
  model.set_size_multiple(8);
  model.set_default_width(64);
  model.set_default_height(64);
  model.set_max_width(64);
  model.set_max_height(64);
  model.set_default_steps(20);
  model.set_max_steps(1000);
  model.set_default_guidance(1);
  model.set_default_sampler("ddim");
  model.add_samplers()->set_name("ddim");
  model.mutable_samplers(0)->set_evaluations_per_step(1);
  model.add_tasks(v1::TASK_TEXT_TO_IMAGE);
  model.set_revision("1");
  return model;
}

const char* MediaType(v1::ImageFormat format) {
  return format == v1::IMAGE_FORMAT_JPEG   ? "image/jpeg"
         : format == v1::IMAGE_FORMAT_WEBP ? "image/webp"
                                           : "image/png";
}

}  // namespace

std::string NullModel(int index) {
  return absl::StrCat("null-", index);
}

NullWorker::NullWorker(const Options& options)
    : options_(options), stub_(v1::WorkerService::NewStub(NewConnection(options.server))) {
  stub_->async()->Connect(&context_, this);
  AddHold();  // writes start outside of reactions; let go when reading is over
  StartRead(&incoming_);
  StartCall();
  v1::ConnectRequest message;
  message.mutable_register_()->set_name(options.name);
  message.mutable_register_()->set_device("cpu");
  message.mutable_register_()->set_instance(options.name);
  for (int i = 0; i < options.models; ++i)
    *message.mutable_register_()->add_models() = Describe(NullModel(i));
  Send(std::move(message));
  {
    const absl::MutexLock lock(&mutex_);
    const auto answered = [this] {
      mutex_.AssertHeld();
      return registered_ || over_;
    };
    mutex_.Await(absl::Condition(&answered));
  }
  SendCapacity();
  Ping();
}

NullWorker::~NullWorker() {
  context_.TryCancel();
  done_.WaitForNotification();
}

void NullWorker::Make() {
  const absl::MutexLock lock(&mutex_);
  making_ = true;
  for (const Picture& picture : held_) Finish(picture);
  held_.clear();
}

void NullWorker::Hold() {
  const absl::MutexLock lock(&mutex_);
  making_ = false;
}

std::vector<NullWorker::Picture> NullWorker::held() const {
  const absl::MutexLock lock(&mutex_);
  return held_;
}

uint64_t NullWorker::taken() const {
  const absl::MutexLock lock(&mutex_);
  return taken_;
}

void NullWorker::AwaitTaken(uint64_t pictures, absl::Duration limit) const {
  const absl::MutexLock lock(&mutex_);
  const auto there = [this, pictures] {
    mutex_.AssertHeld();
    return taken_ >= pictures || over_;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&there), limit);
}

void NullWorker::Send(v1::ConnectRequest message) {
  const absl::MutexLock lock(&mutex_);
  Put(std::move(message));
}

void NullWorker::SendCapacity() {
  v1::ConnectRequest message;
  v1::Capacity& capacity = *message.mutable_capacity();
  capacity.set_max_images(options_.max_images);
  for (int i = 0; i < options_.models; ++i) {
    capacity.add_loaded_models(NullModel(i));
    v1::ModelSpeed& speed = *capacity.add_speeds();
    speed.set_model(NullModel(i));
    speed.set_row_seconds(kRowSeconds);
  }
  Send(std::move(message));
}

void NullWorker::StartPing() {
  const absl::MutexLock lock(&mutex_);
  v1::ConnectRequest message;
  message.mutable_image_result()->mutable_image()->set_job_id(kPing);
  message.mutable_image_result()->mutable_image()->set_attempt(++pings_);
  Put(std::move(message));
}

void NullWorker::AwaitPing() const {
  {
    const absl::MutexLock lock(&mutex_);
    const auto answered = [this] {
      mutex_.AssertHeld();
      return answered_ == pings_ || over_;
    };
    mutex_.Await(absl::Condition(&answered));
    if (answered_ == pings_) return;
  }
  done_.WaitForNotification();
  throw std::runtime_error(
      absl::StrCat("the stream of worker ", options_.name, " has ended: ", end_.error_message()));
}

void NullWorker::OnReadDone(bool ok) {
  {
    const absl::MutexLock lock(&mutex_);
    if (ok) {
      Take(incoming_);
    } else {
      over_ = true;
    }
  }
  if (!ok) return RemoveHold();
  incoming_.Clear();
  StartRead(&incoming_);
}

void NullWorker::OnWriteDone(bool ok) {
  const absl::MutexLock lock(&mutex_);
  outgoing_.pop_front();
  writing_ = false;
  if (ok) WriteNext();
}

void NullWorker::OnDone(const grpc::Status& status) {
  end_ = status;
  done_.Notify();
}

void NullWorker::Take(const v1::ConnectResponse& message) {
  if (message.has_registered()) registered_ = true;
  if (message.has_taken()) {
    const v1::ImageRef& image = message.taken().image();
    if (image.job_id() == kPing) {
      answered_ = image.attempt();
    } else {
      ++taken_;
    }
  }
  for (const v1::AssignedImage& assigned : message.assign().images()) {
    const v1::Assign& assign = message.assign();
    Picture picture{.seed = assign.spec().seed() + assigned.image_index(),
                    .steps = assign.spec().steps(),
                    .format = assign.spec().format()};
    picture.image.set_job_id(assign.job_id());
    picture.image.set_attempt(assign.attempt());
    picture.image.set_image_index(assigned.image_index());
    if (making_) {
      Finish(picture);
    } else {
      held_.push_back(std::move(picture));
    }
  }
}

void NullWorker::Finish(const Picture& picture) {
  v1::ConnectRequest started, progress, result;
  *started.mutable_image_started()->mutable_image() = picture.image;
  *progress.mutable_image_progress()->mutable_image() = picture.image;
  progress.mutable_image_progress()->set_step(picture.steps);
  progress.mutable_image_progress()->set_steps(picture.steps);
  *result.mutable_image_result()->mutable_image() = picture.image;
  result.mutable_image_result()->set_seed(picture.seed);
  result.mutable_image_result()->set_media_type(MediaType(picture.format));
  result.mutable_image_result()->set_data(std::string(kPictureBytes, 'x'));
  Put(std::move(started));
  Put(std::move(progress));
  Put(std::move(result));
}

void NullWorker::Put(v1::ConnectRequest message) {
  outgoing_.push_back(std::move(message));
  WriteNext();
}

void NullWorker::WriteNext() {
  if (writing_ || over_ || outgoing_.empty()) return;
  writing_ = true;
  StartWrite(&outgoing_.front());
}

}  // namespace mind::bench
