#include "server/cluster/term_witness.h"

#include "absl/strings/numbers.h"
#include "server/cluster/leader_link.h"

namespace mind::server {
namespace {

using grpc::experimental::InterceptionHookPoints;

class OneCall : public grpc::experimental::Interceptor {
 public:
  explicit OneCall(const std::function<void(uint64_t)>& heard) : heard_(heard) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      const auto* const metadata = methods->GetRecvInitialMetadata();
      const auto found = metadata->find(kTermKey);
      uint64_t term = 0;
      if (found != metadata->end() &&
          absl::SimpleAtoi(absl::string_view(found->second.data(), found->second.size()), &term)) {
        heard_(term);
      }
    }
    methods->Proceed();
  }

 private:
  const std::function<void(uint64_t)>& heard_;
};

}  // namespace

grpc::experimental::Interceptor* TermWitness::CreateServerInterceptor(grpc::experimental::ServerRpcInfo*) {
  return new OneCall(heard_);
}

}  // namespace mind::server
