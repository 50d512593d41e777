// bench-submissions HOST:PORT DIRECTORY [SECONDS]: what a running server takes in, beside what its disk can
// do.
//
// Connects a worker that makes every picture at once, so that only the server is measured: GenerateImage one
// after the other and 64 at a time, then CreateJob 64 at a time. DIRECTORY is one on the disk that holds the
// server's data: how long it takes to write and sync 4 KiB there is printed beside.
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "mind/v1/generation.grpc.pb.h"
#include "mind/v1/worker.grpc.pb.h"

namespace mind {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kCallers = 64;
constexpr int kLoneCalls = 200;
constexpr int kSyncs = 200;
constexpr char kModel[] = "null";

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

[[noreturn]] void Fail(const std::string& why) {
  std::fprintf(stderr, "bench-submissions: %s\n", why.c_str());
  std::_Exit(1);
}

// Median seconds to write 4 KiB and have them on the disk.
double SecondsOfSync(const std::string& directory) {
  const std::string path = directory + "/bench-submissions";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) Fail("cannot write in " + directory);
  const std::string page(4096, 'x');
  std::vector<double> seconds;
  for (int i = 0; i < kSyncs; ++i) {
    const Clock::time_point begin = Clock::now();
    if (write(fd, page.data(), page.size()) != 4096 || fdatasync(fd) != 0) Fail("cannot sync " + path);
    seconds.push_back(SecondsSince(begin));
  }
  close(fd);
  unlink(path.c_str());
  return Median(seconds);
}

v1::Model NullModel() {
  v1::Model model;
  model.set_name(kModel);
  model.set_takes_prompt(true);
  model.set_size_multiple(8);
  for (const auto set : {&v1::Model::set_default_width, &v1::Model::set_default_height,
                         &v1::Model::set_max_width, &v1::Model::set_max_height}) {
    (model.*set)(64);
  }
  model.set_default_steps(1);
  model.set_max_steps(1);
  model.set_default_guidance(1);
  model.set_default_sampler("ddim");
  model.add_samplers()->set_name("ddim");
  model.mutable_samplers(0)->set_evaluations_per_step(1);
  return model;
}

// Makes every picture at once, of a few bytes.
class NullWorker {
 public:
  explicit NullWorker(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::WorkerService::NewStub(channel)), stream_(stub_->Connect(&context_)) {
    v1::ConnectRequest message;
    message.mutable_register_()->set_name("null");
    *message.mutable_register_()->add_models() = NullModel();
    v1::ConnectResponse response;
    if (!stream_->Write(message) || !stream_->Read(&response)) Fail(stream_->Finish().error_message());
    message.mutable_capacity()->set_max_images(1024);
    stream_->Write(message);
    thread_ = std::thread([this] { Work(); });
  }
  ~NullWorker() {
    context_.TryCancel();
    thread_.join();
  }

 private:
  void Work() {
    v1::ConnectResponse response;
    while (stream_->Read(&response)) {
      if (!response.has_assign()) continue;
      const v1::Assign& assign = response.assign();
      v1::ConnectRequest message;
      v1::ImageResult& result = *message.mutable_image_result();
      result.mutable_image()->set_job_id(assign.job_id());
      result.mutable_image()->set_attempt(assign.attempt());
      result.set_seed(assign.spec().seed());
      result.set_media_type("image/png");
      result.set_data("no picture");
      stream_->Write(message);
    }
    stream_->Finish();
  }

  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>> stream_;
  std::thread thread_;
};

v1::JobRequest Request() {
  v1::JobRequest request;
  request.mutable_spec()->set_model(kModel);
  request.mutable_spec()->set_prompt("a blue rocket");
  request.mutable_spec()->set_seed(1);
  request.mutable_spec()->set_preview_every(0);
  return request;
}

// Whether it made its picture.
bool Generate(v1::GenerationService::Stub& stub) {
  grpc::ClientContext context;
  v1::GenerateImageRequest request;
  *request.mutable_job() = Request();
  const auto reader = stub.GenerateImage(&context, request);
  v1::GenerateImageResponse response;
  while (reader->Read(&response)) {
  }
  return reader->Finish().ok();
}

bool Create(v1::GenerationService::Stub& stub) {
  grpc::ClientContext context;
  v1::CreateJobRequest request;
  *request.mutable_job() = Request();
  v1::CreateJobResponse response;
  return stub.CreateJob(&context, request, &response).ok();
}

// Calls a second that succeed, with 64 at a time.
double RateOf(bool (*call)(v1::GenerationService::Stub&), v1::GenerationService::Stub& stub, double seconds) {
  std::atomic<int> succeeded = 0;
  const Clock::time_point begin = Clock::now();
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      while (SecondsSince(begin) < seconds) succeeded += call(stub) ? 1 : 0;
    });
  }
  for (std::thread& caller : callers) caller.join();
  return succeeded / SecondsSince(begin);
}

void Measure(const std::string& server, const std::string& directory, double seconds) {
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateChannel(server, grpc::InsecureChannelCredentials());
  const NullWorker worker(channel);
  const auto stub = v1::GenerationService::NewStub(channel);
  std::vector<double> lone;
  for (int i = 0; i < kLoneCalls; ++i) {
    const Clock::time_point begin = Clock::now();
    if (!Generate(*stub)) Fail("no picture came");
    lone.push_back(SecondsSince(begin));
  }
  const double generated = RateOf(Generate, *stub, seconds);
  const double created = RateOf(Create, *stub, seconds);
  const double sync = SecondsOfSync(directory);  // last: the machine is as busy as it was
  std::printf("a sync of 4 KiB: %.2f ms, %.0f a second\n", 1e3 * sync, 1 / sync);
  std::printf("GenerateImage, one after the other: %.2f ms\n", 1e3 * Median(lone));
  std::printf("GenerateImage, %d at a time: %.0f a second, %.1f a sync\n", kCallers, generated,
              generated * sync);
  std::printf("CreateJob, %d at a time: %.0f a second, %.1f a sync\n", kCallers, created, created * sync);
}

}  // namespace
}  // namespace mind

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: %s HOST:PORT DIRECTORY [SECONDS]\n", argv[0]);
    return 2;
  }
  mind::Measure(argv[1], argv[2], argc > 3 ? std::strtod(argv[3], nullptr) : 10);
  return 0;
}
