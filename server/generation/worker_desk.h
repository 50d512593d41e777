// Where workers report: who they are, and what becomes of the pictures they were given.
#ifndef MIND_SERVER_GENERATION_WORKER_DESK_H_
#define MIND_SERVER_GENERATION_WORKER_DESK_H_

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "mind/v1/worker.pb.h"
#include "server/generation/decisions.h"
#include "server/generation/reception.h"
#include "server/generation/service_state.h"

namespace mind::server {

// All on the server's loop; not thread-safe.
class WorkerDesk : public Reception {
 public:
  // Both must outlive it.
  WorkerDesk(ServiceState& state, Decisions& decisions) : state_(state), decisions_(decisions) {}

  absl::Status OnRegister(const std::shared_ptr<WorkerSession>& session,
                          const v1::Register& registration) override;
  void OnMessage(const WorkerSession* session, v1::ConnectRequest message) override;
  void OnClosed(const WorkerSession* session) override;
  void WhenReadable(const WorkerSession* session, std::function<void()> then) override;

  // Ends all streams with this status; nothing is decided about it.
  void CloseAll(const absl::Status& status) { state_.sessions.CloseAll(status); }
  // Whether a worker has offered models that the store does not have yet.
  bool has_unsaved_models() const { return unsaved_offers_ > 0; }
  // A worker that is not listened to is not silent.
  void OnTick();

 private:
  // A picture that its worker has put elsewhere: whether it is there comes first.
  void CheckUpload(const WorkerSession* session, const std::string& worker, v1::ConnectRequest message);
  void UploadChecked(const std::weak_ptr<WorkerSession>& from, v1::ConnectRequest message,
                     const absl::Status& status);
  // Whether it brings a picture that would be taken, and that moderation has to be asked about.
  bool IsToBeModerated(const std::string& worker, const v1::ConnectRequest& message) const;
  // Has moderation asked about the picture, which is held until then.
  void Moderate(const std::string& worker, v1::ConnectRequest message);
  // `verdict`: of moderation, about the picture that it brings.
  void Take(const std::string& worker, v1::ConnectRequest message,
            const absl::Status& verdict = absl::OkStatus());
  // Whether a worker that says this of itself may be one.
  absl::Status Check(const v1::Register& registration) const;
  // The worker `offer.name()` serves these models.
  void Catalogue(const v1::Register& offer);
  // The same of one that is connected. What cannot be an offer ends its stream.
  void TakeOffer(const WorkerSession* session, const std::string& worker, v1::ModelsOffered& offered);
  void CountRefused(const absl::Status& bad) const;
  // Makes a failure of a result that is not what was asked for, or not allowed.
  void RefuseBadResult(const std::string& worker, v1::ConnectRequest& message,
                       const absl::Status& verdict) const;
  bool HasRoom() const;
  // Run as soon as there may be room.
  void WhenRoom(std::function<void()> then);
  // Writes a picture that counts, and has it told when it is durable.
  void TakeResult(const std::string& worker, v1::ImageResult& result);
  void ShowProgress(const std::string& worker, const v1::ImageProgress& progress);
  void ShowStage(const v1::ImageStage& stage);

  ServiceState& state_;
  Decisions& decisions_;
  int unsaved_offers_ = 0;                        // with models that are being written
  std::set<std::string> unread_;                  // workers that wait for WhenReadable
  std::set<std::string> checking_;                // keys of uploads that are being looked at
  size_t moderated_bytes_ = 0;                    // of pictures that are asked about
  std::vector<std::function<void()>> when_room_;  // that wait for less of those
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_WORKER_DESK_H_
