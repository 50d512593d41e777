// What programs outside do that mean harm.
#ifndef MIND_TESTS_FUNCTIONAL_HARM_H_
#define MIND_TESTS_FUNCTIONAL_HARM_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/types.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "mind/v1/generation.grpc.pb.h"
#include "tests/support/behind.h"

namespace mind::testing {

inline std::shared_ptr<grpc::Channel> NewChannel(
    const std::string& address,
    const std::shared_ptr<grpc::ChannelCredentials>& credentials = grpc::InsecureChannelCredentials()) {
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  own.SetMaxSendMessageSize(-1);
  own.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(address, credentials, own);
}

inline std::unique_ptr<v1::GenerationService::Stub> NewStub(const std::string& address) {
  return v1::GenerationService::NewStub(NewChannel(address));
}

inline void LimitTime(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
}

// Bytes that are made once: not how fast they are made is to be found out.
inline grpc::ByteBuffer BytesOf(const google::protobuf::Message& message) {
  const grpc::Slice bytes(message.SerializeAsString());
  return grpc::ByteBuffer(&bytes, 1);
}
// A request for CreateJob.
inline grpc::ByteBuffer BytesOf(const v1::JobRequest& job) {
  v1::CreateJobRequest request;
  *request.mutable_job() = job;
  const google::protobuf::Message& message = request;
  return BytesOf(message);
}

struct RawRequest {
  std::string method;  // "mind.v1.GenerationService/CreateJob"
  std::string key;     // empty: none
  std::string tenant;  // empty: not said
  grpc::ByteBuffer bytes;
  bool packed = false;  // by gzip
};

// Makes calls, this many at a time, until `next` gives no more; tells how each has ended.
inline void CallMany(const std::shared_ptr<grpc::Channel>& channel, int at_once,
                     const std::function<std::optional<RawRequest>()>& next,
                     const std::function<void(const grpc::Status&)>& ended) {
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    grpc::ByteBuffer answer;
    grpc::Status status;
  };
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  int under_way = 0;
  const auto begin = [&] {
    const std::optional<RawRequest> request = next();
    if (!request) return false;
    auto* const call = new Call;
    LimitTime(call->context);
    if (!request->key.empty()) call->context.AddMetadata("authorization", "Bearer " + request->key);
    if (!request->tenant.empty()) call->context.AddMetadata("mind-tenant", request->tenant);
    if (request->packed) call->context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    call->reader = stub.PrepareUnaryCall(&call->context, "/" + request->method, request->bytes, &queue);
    call->reader->StartCall();
    call->reader->Finish(&call->answer, &call->status, call);
    ++under_way;
    return true;
  };
  while (under_way < at_once && begin()) {
  }
  void* tag = nullptr;
  bool ok = false;
  while (under_way > 0 && queue.Next(&tag, &ok)) {
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    --under_way;
    ended(call->status);
    begin();
  }
}

inline void CallOnce(const std::shared_ptr<grpc::Channel>& channel, std::optional<RawRequest> request,
                     const std::function<void(const grpc::Status&)>& ended) {
  CallMany(
      channel, 1, [&request] { return std::exchange(request, std::nullopt); }, ended);
}

// What must be refused. `key` may be empty.
inline void CreateInVain(const std::shared_ptr<grpc::Channel>& channel, const std::string& key,
                         const grpc::ByteBuffer& request) {
  CallOnce(
      channel,
      RawRequest{.method = "mind.v1.GenerationService/CreateJob", .key = key, .tenant = "", .bytes = request},
      [](const grpc::Status& status) { EXPECT_FALSE(status.ok()); });
}

// The processor's time that a process has taken so far, in seconds.
inline double ProcessorSeconds(pid_t pid) {
  clockid_t clock{};
  timespec taken{};
  EXPECT_EQ(clock_getcpuclockid(pid, &clock), 0);
  EXPECT_EQ(clock_gettime(clock, &taken), 0);
  return static_cast<double>(taken.tv_sec) + 1e-9 * static_cast<double>(taken.tv_nsec);
}

// Threads that do harm until it is destroyed.
class Harm {
 public:
  ~Harm() {
    over_.Notify();
    for (std::thread& thread : threads_) thread.join();
  }
  // Does this over and over, `count` times side by side. A server that does not answer is no surprise.
  void Do(int count, const std::function<void()>& once) {
    const auto left = firsts_.emplace_back(std::make_shared<absl::BlockingCounter>(count));
    Begin(count, [this, once, left] {
      for (bool first = true; !over(); first = false) {
        Try(once);
        if (first) left->DecrementCount();
      }
    });
  }
  // Once with each number up to this one.
  void DoEach(int count, int numbers, const std::function<void(int)>& once) {
    const auto left = numbers_.emplace_back(std::make_shared<absl::BlockingCounter>(numbers));
    const auto next = std::make_shared<std::atomic<int>>(0);
    Begin(count, [this, numbers, once, left, next] {
      for (int number = 0; !over() && (number = (*next)++) < numbers;) {
        Try([&] { once(number); });
        left->DecrementCount();
      }
    });
  }
  bool over() const { return over_.HasBeenNotified(); }
  // Until each thread has done its harm once; until there are no more numbers. To be called once.
  void AwaitFirsts() { Await(firsts_); }
  void AwaitNumbers() { Await(numbers_); }

 private:
  using Counters = std::vector<std::shared_ptr<absl::BlockingCounter>>;

  void Begin(int count, const std::function<void()>& work) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([work] {
        support::StandBehind();
        work();
      });
    }
  }
  static void Try(const std::function<void()>& once) {
    try {
      once();
    } catch (const std::system_error&) {
    }
  }
  static void Await(const Counters& counters) {
    for (const auto& counter : counters) counter->Wait();
  }

  absl::Notification over_;
  Counters firsts_, numbers_;
  std::vector<std::thread> threads_;
};

}  // namespace mind::testing

#endif  // MIND_TESTS_FUNCTIONAL_HARM_H_
