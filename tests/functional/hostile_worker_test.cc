// A program that says it is a worker and means harm, beside an honest one.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "mind/v1/worker.grpc.pb.h"
#include "tests/functional/cluster.h"
#include "tests/support/behind.h"

namespace mind::testing {
namespace {

constexpr uint64_t kBudgetBesideLies = uint64_t{1} << 30;
constexpr int kAskedBesideLies = 5;  // requests whose times are compared
constexpr int kLies = 200;           // before they are
// Twice is what is meant; other programs on this machine may take what they like, when they like.
constexpr double kSlowestBesideLies = 5;

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
    over_.Notify();
    says_.join();
    context_.TryCancel();
    reads_.join();
  }

  // Until it has said so much; until it has been given something to make. To be called once.
  void AwaitLies() { lies_left_.Wait(); }
  void AwaitAssignment() { given_.WaitForNotification(); }

 private:
  bool over() const { return over_.HasBeenNotified(); }
  void Write(const v1::ConnectRequest& message) {
    const absl::MutexLock lock(&mutex_);
    stream_->Write(message);
  }
  void Read() {
    support::StandBehind();
    v1::ConnectResponse response;
    while (stream_->Read(&response)) {
      if (!response.has_assign()) continue;
      if (!given_.HasBeenNotified()) given_.Notify();
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
    support::StandBehind();
    const std::string large(1 << 20, 'x');
    int said = 0;
    while (!over()) {
      for (uint32_t image = 0; image < 20 && !over(); ++image) {
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
        if (++said <= kLies) lies_left_.DecrementCount();
      }
    }
  }

  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>> stream_;
  absl::Mutex mutex_;  // of writing
  absl::Notification over_, given_;
  absl::BlockingCounter lies_left_{kLies};
  std::thread reads_, says_;
};

// What a worker is told that says too much of itself.
grpc::Status RefusalOfTooMuch(const std::string& address, const v1::Model& model) {
  const auto stub =
      v1::WorkerService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  const auto stream = stub->Connect(&context);
  v1::ConnectRequest message;
  message.mutable_register_()->set_name("boastful");
  for (int i = 0; i < 10'000; ++i) *message.mutable_register_()->add_models() = model;
  stream->Write(message);
  v1::ConnectResponse response;
  while (stream->Read(&response)) {
  }
  return stream->Finish();
}

// The median time of a picture, in seconds; each is the same.
double TimeOfAPicture(client::Client& client, std::string& picture) {
  std::vector<double> seconds;
  for (int i = 0; i < kAskedBesideLies; ++i) {
    std::string made;
    const absl::Time begin = absl::Now();
    const auto job = client.Generate(
        Request("a red heart", 1, 20),
        {.event = nullptr, .picture = [&](client::Picture one) { made = std::move(one.data); }});
    EXPECT_TRUE(job.ok()) << job.status();
    seconds.push_back(absl::ToDoubleSeconds(absl::Now() - begin));
    if (picture.empty()) picture = made;
    EXPECT_EQ(made, picture);
  }
  std::nth_element(seconds.begin(), seconds.begin() + kAskedBesideLies / 2, seconds.end());
  return seconds[kAskedBesideLies / 2];
}

TEST(HostileWorker, OthersPicturesAreMadeAllTheSame) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const auto models = client->Models();
  ASSERT_TRUE(models.ok()) << models.status();
  const std::string victim = CreateJob(*client, Request("a cat", 2, 1000));
  Await("the victim to run", [&] { return JobNow(*client, victim).steps_done() > 0; });
  std::string picture;
  const double undisturbed = TimeOfAPicture(*client, picture);
  {
    Hostile hostile(cluster.address(), models->front(), victim);
    hostile.AwaitLies();
    // It has more room than the honest one, so some go there first.
    const double disturbed = TimeOfAPicture(*client, picture);
    hostile.AwaitAssignment();
    const v1::Job held = JobNow(*client, victim);
    EXPECT_EQ(held.attempt(), 1U);
    EXPECT_TRUE(held.state() == v1::JOB_STATE_RUNNING || held.state() == v1::JOB_STATE_SUCCEEDED)
        << held.state();
    std::printf("a picture takes %.2f times as long beside a worker that lies\n", disturbed / undisturbed);
    EXPECT_LT(disturbed, kSlowestBesideLies * undisturbed);
  }
  EXPECT_EQ(RefusalOfTooMuch(cluster.address(), models->front()).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  // What was not taken is counted by reason.
  EXPECT_GT(cluster.ServerMetric("mind_late_results_total"), 0);
  for (const char* const reason : {"BAD_RESULT", "INVALID_FIELD"}) {
    EXPECT_GT(cluster.ServerMetric("mind_worker_reports_refused_total", reason), 0) << reason;
  }
  EXPECT_TRUE(cluster.server().running());
  const uint64_t most = cluster.server().PeakMemory();
  std::printf("the server came to take %lu MiB\n", most >> 20);
  EXPECT_LT(most, kBudgetBesideLies);
}

}  // namespace
}  // namespace mind::testing
