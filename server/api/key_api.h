// The gRPC face for keys.
#ifndef MIND_SERVER_API_KEY_API_H_
#define MIND_SERVER_API_KEY_API_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>

#include "mind/v1/keys.grpc.pb.h"
#include "server/api/gated_service.h"
#include "server/trust/gatekeeper.h"
#include "server/trust/key_desk.h"

namespace mind::server {

// Thread-safe (called by gRPC's threads). It and what it refers to must outlive the gRPC server it is
// registered with.
class KeyApi : public GatedService<v1::KeyService::CallbackService> {
 public:
  // `desk`: null where keys are not asked for.
  KeyApi(KeyDesk* desk, Authority& authority);

 private:
  // `work` fills in the response and tells how it went, now or later.
  template <typename Request, typename Response>
  void AtDesk(const std::string& method,
              std::function<void(KeyDesk&, const Caller&, const Request&, Response&, const Done&)> work);

  KeyDesk* const desk_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_KEY_API_H_
