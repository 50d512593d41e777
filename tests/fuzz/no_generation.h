// A server that has nothing: what the faces ask of it is answered with an error.
#ifndef MIND_TESTS_FUZZ_NO_GENERATION_H_
#define MIND_TESTS_FUZZ_NO_GENERATION_H_

#include <string>

#include "server/generation/generation.h"

namespace mind::server {

class NoGeneration : public Generation {
 public:
  void Submit(Submission, const Caller&, const std::optional<CallTimes>&, Answer<v1::Job> answer) override {
    answer(Nothing());
  }
  void Leave(const std::string&, const CallTimes&) override {}
  void Get(const std::string&, const Caller&, Answer<v1::Job> answer) override { answer(Nothing()); }
  void List(const v1::ListJobsRequest&, const Caller&, Answer<v1::ListJobsResponse> answer) override {
    answer(Nothing());
  }
  void Cancel(const std::string&, const Caller&, const absl::Status&, Answer<v1::Job> answer) override {
    answer(Nothing());
  }
  void Delete(const std::string&, const Caller&, const absl::Status&, Answer<v1::Job> answer) override {
    answer(Nothing());
  }
  void Check(Submission, const Caller&, Answer<v1::CreateJobResponse> answer) override { answer(Nothing()); }
  void GetImage(const std::string&, uint32_t, const Caller&, Answer<v1::GetImageResponse> answer) override {
    v1::GetImageResponse picture;  // for ranges of it
    picture.set_media_type("image/png");
    picture.set_data("0123456789");
    answer(std::move(picture));
  }
  void Watch(const std::string&, const WatchStart&, const Caller&, std::function<void()>,
             Answer<WatchId> answer) override {
    answer(WatchId{1});
  }
  WatchNews Next(WatchId) override { return {.event = nullptr, .end = absl::OkStatus()}; }
  void Unwatch(WatchId) override {}
  void ListModels(Answer<v1::ListModelsResponse> answer) override { answer(v1::ListModelsResponse()); }
  void GetModel(const std::string&, Answer<v1::Model> answer) override { answer(Nothing()); }
  void ListSamplers(const std::string&, Answer<v1::ListSamplersResponse> answer) override {
    answer(Nothing());
  }
  void ListWorkers(Answer<v1::ListWorkersResponse> answer) override { answer(v1::ListWorkersResponse()); }
  void ListWork(Answer<internal::v1::ListWorkResponse> answer) override {
    answer(internal::v1::ListWorkResponse());
  }
  void ListUsage(const v1::ListUsageRequest&, Answer<v1::ListUsageResponse> answer) override {
    answer(v1::ListUsageResponse());
  }
  void ListSigningSecrets(Answer<std::vector<std::string>> answer) override {
    answer(std::vector<std::string>{"secret"});
  }

 private:
  static absl::Status Nothing() { return absl::NotFoundError("there is nothing"); }
};

}  // namespace mind::server

#endif  // MIND_TESTS_FUZZ_NO_GENERATION_H_
