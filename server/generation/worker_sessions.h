// The streams to the workers that are connected, by name, and what is on its way to them.
//
// An assignment leaves when the attempt it begins is durable, so that no number of an attempt is ever given
// twice, and with the pictures that its request brought, which are read for it. Until then it can be taken
// back; everything else but what confirms results leaves at once. Where the pictures cannot be read for now
// it waits until they can.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_GENERATION_WORKER_SESSIONS_H_
#define MIND_SERVER_GENERATION_WORKER_SESSIONS_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/v1/worker.pb.h"
#include "server/generation/ledger.h"
#include "server/generation/worker_session.h"
#include "server/store/job_store.h"

namespace mind::server {

class WorkerSessions {
 public:
  // Both must outlive it. `post`: to the loop.
  WorkerSessions(Ledger& ledger, JobStore& store, Post post)
      : ledger_(ledger), store_(store), post_(std::move(post)) {}

  // REQUIRES: none of that name. `uploads`: the worker understands AssignedImage.upload.
  void Add(const std::string& worker, const std::shared_ptr<WorkerSession>& session, bool uploads = false);
  bool Uploads(const std::string& worker) const { return uploading_.count(worker) != 0; }
  // Empty: not one of them; it was replaced or dropped, and its stream is closing.
  std::string NameOf(const WorkerSession* session) const;
  // For who has to wait for something, and it may go meanwhile. REQUIRES: it is one of them.
  std::weak_ptr<WorkerSession> Share(const WorkerSession* session) const {
    return sessions_.at(names_.at(session));
  }
  void Remove(const std::string& worker);
  // Its stream; that of nobody if it is none of them.
  std::weak_ptr<WorkerSession> Find(const std::string& worker) const;
  // Removes it, if it is there, and closes its stream.
  void Close(const std::string& worker, const absl::Status& status);

  void CloseAll(const absl::Status& status);

  // To a worker that may have gone: then to nobody.
  void Send(const std::string& worker, v1::ConnectResponse message);
  // Also a part of one that is too large for one message, the parts in one turn. `cannot` is run instead if
  // its pictures never will be read, for each part.
  using Cannot = std::function<void(const v1::Assign& assign, const absl::Status& why)>;
  void Assign(const std::string& worker, v1::Assign assign, Cannot cannot);
  // An assignment that has not left: it never will. Its parts; empty: there is none.
  std::vector<v1::Assign> TakeBack(const std::string& job_id, uint32_t attempt);
  // The worker may forget the picture: it is durable, or is when all that has been written is.
  void ConfirmTaken(const std::string& worker, const v1::ImageRef& image);
  // Tries again to read the pictures of assignments that wait for them, if it is time. `now`: on the steady
  // clock.
  void OnTick(absl::Duration now);

 private:
  using Attempt = std::pair<std::string, uint32_t>;  // of a job, by number

  struct Held {
    std::vector<v1::Assign> parts;  // what fits one message each
    std::weak_ptr<WorkerSession> to;
    Cannot cannot;
  };

  // It is durable: goes on with reading its pictures, if it has any.
  void Release(const Attempt& attempt);
  // It leaves, with this spec.
  void Leave(const Attempt& attempt, absl::StatusOr<v1::ImageSpec> spec);

  Ledger& ledger_;
  JobStore& store_;
  const Post post_;
  std::map<std::string, std::shared_ptr<WorkerSession>> sessions_;  // by worker
  std::map<const WorkerSession*, std::string> names_;
  std::set<std::string> uploading_;  // workers that understand it
  std::map<Attempt, Held> held_;     // have not left
  std::vector<Attempt> unread_;      // of them those whose pictures could not be read for now
  absl::Duration read_again_;        // on the steady clock
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_WORKER_SESSIONS_H_
