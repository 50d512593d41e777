// Puts a picture's file where an assignment has said.
#ifndef MIND_WORKER_LINK_UPLOAD_H_
#define MIND_WORKER_LINK_UPLOAD_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "mind/v1/worker.pb.h"
#include "proto/support/http_client.h"

namespace mind {

// `done` is called once, as the client does: with what the server is to be told of it, or why it is not
// there.
void PutFile(HttpClient& client, const v1::Upload& upload, const std::string& file,
             std::function<void(absl::StatusOr<v1::UploadedFile>)> done);

}  // namespace mind

#endif  // MIND_WORKER_LINK_UPLOAD_H_
