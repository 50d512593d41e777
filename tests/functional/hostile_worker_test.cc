// A program that says it is a worker and means harm, beside an honest one.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "mind/v1/worker.grpc.pb.h"
#include "tests/functional/cluster.h"

namespace mind::testing {
namespace {

constexpr uint64_t kMostResident = 1 << 20;  // KiB

// Resident memory of a process, in KiB.
uint64_t Resident(pid_t pid) {
  std::FILE* const file = std::fopen(("/proc/" + std::to_string(pid) + "/status").c_str(), "r");
  char line[256];
  uint64_t kib = 0;
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "VmRSS: %lu", &kib) == 1) break;
  }
  if (file != nullptr) std::fclose(file);
  return kib;
}

v1::ImageRef Ref(const std::string& job, uint32_t attempt, uint32_t image) {
  v1::ImageRef ref;
  ref.set_job_id(job);
  ref.set_attempt(attempt);
  ref.set_image_index(image);
  return ref;
}

// Offers what the honest one offers, and answers what it is given with what was not asked for; meanwhile it
// says all sorts of things about everybody's pictures, as fast as it is read.
class Hostile {
 public:
  Hostile(const std::string& address, const v1::Model& model, const std::string& victim)
      : stub_(v1::WorkerService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        stream_(stub_->Connect(&context_)) {
    v1::ConnectRequest message;
    message.mutable_register_()->set_name("hostile");
    *message.mutable_register_()->add_models() = model;
    stream_->Write(message);
    message.mutable_capacity()->set_max_images(4'000'000'000);
    message.mutable_capacity()->add_loaded_models(model.name());
    for (const double seconds : {1e300, -1.0, 1e-300}) {
      v1::ModelSpeed& speed = *message.mutable_capacity()->add_speeds();
      speed.set_model(model.name());
      speed.set_row_seconds(seconds);
    }
    stream_->Write(message);
    reads_ = std::thread([this] { Read(); });
    says_ = std::thread([this, victim] { Say(victim); });
  }
  ~Hostile() {
    over_ = true;
    says_.join();
    context_.TryCancel();
    reads_.join();
  }

  int said() const { return said_; }
  int given() const { return given_; }

 private:
  void Write(const v1::ConnectRequest& message) {
    const absl::MutexLock lock(&mutex_);
    stream_->Write(message);
  }
  void Read() {
    v1::ConnectResponse response;
    while (stream_->Read(&response)) {
      if (!response.has_assign()) continue;
      ++given_;
      for (const v1::AssignedImage& image : response.assign().images()) {
        v1::ConnectRequest message;
        *message.mutable_image_result()->mutable_image() =
            Ref(response.assign().job_id(), response.assign().attempt(), image.image_index());
        message.mutable_image_result()->set_media_type("text/html");
        message.mutable_image_result()->set_data("<script>");
        Write(message);
      }
    }
  }
  void Say(const std::string& victim) {
    const std::string large(1 << 20, 'x');
    while (!over_) {
      for (uint32_t image = 0; image < 20 && !over_; ++image) {
        v1::ConnectRequest message;
        const v1::ImageRef ref = Ref(victim, 1 + image % 3, image);
        switch (image % 5) {
          case 0:
            *message.mutable_image_result()->mutable_image() = ref;
            message.mutable_image_result()->set_media_type("image/png");
            message.mutable_image_result()->set_data(large);
            break;
          case 1:
            *message.mutable_image_failure()->mutable_image() = ref;
            message.mutable_image_failure()->mutable_error()->set_code(3);
            message.mutable_image_failure()->mutable_error()->set_message(large);
            break;
          case 2:
            *message.mutable_image_checkpoint()->mutable_image() = ref;
            message.mutable_image_checkpoint()->set_step(900);
            message.mutable_image_checkpoint()->set_data(large);
            break;
          case 3:
            for (int i = 0; i < 10'000; ++i)
              *message.mutable_images_progress()->add_images()->mutable_image() = ref;
            break;
          default:
            *message.mutable_image_handed_back()->mutable_image() = ref;
        }
        Write(message);
        ++said_;
      }
    }
  }

  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>> stream_;
  absl::Mutex mutex_;  // of writing
  std::atomic<bool> over_ = false;
  std::atomic<int> said_ = 0, given_ = 0;
  std::thread reads_, says_;
};

TEST(HostileWorker, OthersPicturesAreMadeAllTheSame) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  std::string undisturbed, picture;
  const client::Handlers keep{.event = nullptr,
                              .picture = [&](client::Picture one) { picture = std::move(one.data); }};
  ASSERT_TRUE(client->Generate(Request("a red heart", 1, 40), keep).ok());
  undisturbed = picture;
  const auto models = client->Models();
  ASSERT_TRUE(models.ok()) << models.status();

  const std::string victim = CreateJob(*client, Request("a cat", 2, 1000));
  Await("the victim to run", [&] { return JobNow(*client, victim).steps_done() > 0; });
  const Hostile hostile(cluster.address(), models->front(), victim);
  Await("lies", [&] { return hostile.said() > 200; });
  // It has more room than the honest one, so some go there first.
  for (int i = 0; i < 2; ++i) {
    const auto job = client->Generate(Request("a red heart", 1, 40), keep);
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(picture, undisturbed);
  }
  Await("an assignment to it", [&] { return hostile.given() > 0; });
  const v1::Job held = JobNow(*client, victim);
  EXPECT_EQ(held.attempt(), 1U);
  EXPECT_TRUE(held.state() == v1::JOB_STATE_RUNNING || held.state() == v1::JOB_STATE_SUCCEEDED)
      << held.state();
  EXPECT_LT(Resident(cluster.server().pid()), kMostResident);
}

}  // namespace
}  // namespace mind::testing
