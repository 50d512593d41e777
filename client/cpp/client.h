// The client library: a small, blocking face of GenerationService for programs in C++.
#ifndef MIND_CLIENT_CPP_CLIENT_H_
#define MIND_CLIENT_CPP_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mind/v1/generation.grpc.pb.h"
#include "mind/v1/keys.grpc.pb.h"

namespace mind::client {

// A finished picture, put together from its parts.
struct Picture {
  uint32_t index = 0;
  uint64_t seed = 0;
  std::string media_type;
  std::string data;
};

// What a stream tells. Each is optional; called on the calling thread.
struct Handlers {
  std::function<void(const v1::JobEvent&)> event;  // every event but parts of pictures
  std::function<void(Picture)> picture;
};

// Errors are absl::Status with google.rpc details (proto/support/errors.h). Thread-safe.
class Client {
 public:
  struct Options {
    std::string server = "127.0.0.1:8080";       // HOST:PORT
    std::string tenant;                          // empty: the key's, or the server's default
    std::string key;                             // empty: the server asks for none
    absl::Duration timeout = absl::Seconds(30);  // of calls that do not stream
    // How it is dialled (proto/support/channel_tls.h); null: without TLS.
    std::shared_ptr<grpc::ChannelCredentials> credentials;
  };

  explicit Client(const Options& options);

  // Blocks until the job has ended. The job lives as long as the call: Stop() cancels it. The status is the
  // job's. A connection that breaks once the job is accepted is taken up again, for as long as `patience`
  // allows without any news: the server is asked for the same job by its request_id, which is made up if
  // there is none, and nothing is told twice. Where the server has given the job up in the meantime, a new
  // one is made.
  absl::StatusOr<v1::Job> Generate(const v1::JobRequest& request, const Handlers& handlers,
                                   absl::Duration patience = absl::Seconds(30));
  // Follows a job to its end; the status is the call's, not the job's. A broken connection is taken up again
  // from the last event for as long as `patience` allows without any.
  absl::StatusOr<v1::Job> Watch(const std::string& id, const Handlers& handlers, uint64_t after_sequence = 0,
                                absl::Duration patience = absl::Seconds(30));
  // Ends a Generate or Watch in progress on another thread, and those to come.
  void Stop();

  absl::StatusOr<v1::Job> Create(const v1::JobRequest& request);
  // What it would cost; nothing is made.
  absl::StatusOr<v1::CreateJobResponse> Check(const v1::JobRequest& request);
  absl::StatusOr<v1::Job> Get(const std::string& id);
  absl::StatusOr<v1::Job> Cancel(const std::string& id);
  // Forgets the job with its pictures, having cancelled it if need be.
  absl::StatusOr<v1::Job> Delete(const std::string& id);
  // One finished picture, without waiting for it.
  absl::StatusOr<v1::GetImageResponse> GetImage(const std::string& id, uint32_t index);
  // The first page of what the request asks for.
  absl::StatusOr<std::vector<v1::Job>> List(const v1::ListJobsRequest& request);
  absl::StatusOr<std::vector<v1::Job>> List(uint32_t limit, v1::JobState state = v1::JOB_STATE_UNSPECIFIED);
  absl::StatusOr<std::vector<v1::Model>> Models();
  // Of a model; of the only one, if its name is empty.
  absl::StatusOr<v1::ListSamplersResponse> Samplers(const std::string& model);
  absl::StatusOr<std::vector<v1::Worker>> Workers();

  // What tenants have used. With a key of scope admin.
  absl::StatusOr<std::vector<v1::Usage>> Usage(const v1::ListUsageRequest& request);

  // With a key of scope admin. What is made is told with its secret, once.
  absl::StatusOr<v1::CreateKeyResponse> CreateKey(const v1::ApiKey& key);
  // Of one tenant; of all, if its name is empty.
  absl::StatusOr<std::vector<v1::ApiKey>> ListKeys(const std::string& tenant);
  absl::StatusOr<v1::RotateKeyResponse> RotateKey(const std::string& id, absl::Duration overlap);
  absl::StatusOr<v1::ApiKey> RevokeKey(const std::string& id);
  absl::Status SetTenantLimits(const std::string& tenant, const v1::TenantLimits& limits);

 private:
  void Prepare(grpc::ClientContext& context, absl::Duration timeout) const;
  template <typename Response, typename Request, typename Stub>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request);
  v1::GenerationService::Stub& StubOf(const v1::GenerationService::Stub*) const { return *stub_; }
  v1::KeyService::Stub& StubOf(const v1::KeyService::Stub*) const { return *keys_; }
  // How far a job has been followed, over several calls.
  struct Followed {
    std::string job_id;
    uint64_t sequence = 0;   // of the last event, or picture, that was had whole
    bool completed = false;  // the last of all has come
    absl::Time last_news;
  };
  // Reads a stream of events to its end, and tells those that are new. Gives the job of `completed`, or the
  // call's error.
  template <typename Response>
  absl::StatusOr<v1::Job> Follow(grpc::ClientReader<Response>& reader, const Handlers& handlers,
                                 Followed& followed);
  // After a pause, whether a call that has ended so is worth another.
  static bool TryAgain(const absl::Status& status, const Followed& followed, absl::Duration patience);
  class Streaming;

  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::GenerationService::Stub> stub_;
  const std::unique_ptr<v1::KeyService::Stub> keys_;
  absl::Mutex mutex_;
  std::set<grpc::ClientContext*> streaming_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mind::client

#endif  // MIND_CLIENT_CPP_CLIENT_H_
