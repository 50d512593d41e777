// A job that has not ended: its pictures, its attempts, and what went wrong with them.
//
// An attempt is some of the job's pictures on one worker. Several may be alive at a time, each picture in one
// of them at most; a picture that leaves its attempt unfinished waits for another.
//
// Plain state, like the dispatcher it belongs to.
#ifndef MIND_SERVER_DISPATCH_ACTIVE_JOB_H_
#define MIND_SERVER_DISPATCH_ACTIVE_JOB_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/worker.pb.h"
#include "server/queue/job_queue.h"
#include "server/queue/rarely.h"

namespace mind::server {

class ActiveJob {
 public:
  struct Image {
    bool done = false;
    uint32_t attempt = 0;  // that makes it; 0: none
    bool begun = false;    // some attempt has had it
    bool stepped = false;  // the attempt has taken its last step: the picture is being decoded
    uint32_t step = 0;     // newest known
    uint32_t checkpoint_step = 0;
    std::shared_ptr<const std::string> checkpoint;  // null: there is none

    bool waits() const { return !done && attempt == 0; }
  };
  struct Attempt {
    std::string worker;
    std::set<uint32_t> images;       // all that it was given
    std::set<uint32_t> outstanding;  // those that it has
    bool gave_back = false;          // some of them wait again
    bool start_reported = false;
    uint32_t resumed_steps = 0;  // that its pictures had when they were given to it
  };

  // `rows` is the whole job's cost in denoiser rows, each for its picture's size and `reference_megapixels`
  // more; `images_done` are pictures that need not be made.
  ActiveJob(const v1::Job& job, double rows, double reference_megapixels,
            const std::set<uint32_t>& images_done);

  // --- Attempts.

  // Begins the next one, on this worker, whose weights have this revision. It has no pictures yet.
  uint32_t BeginAttempt(const std::string& worker, const std::string& revision, absl::Time now);
  // A waiting picture goes to an attempt. REQUIRES: it waits, the attempt is the worker's newest.
  void Give(uint32_t image, uint32_t attempt);
  // A picture has left its attempt and waits again; what was not kept in a checkpoint is to be made anew.
  // REQUIRES: it has an attempt.
  void GiveBack(uint32_t image);
  // The attempt that has this picture, if the reference names it and that worker; else null.
  Attempt* FindHeld(const std::string& worker, const v1::ImageRef& image);
  bool IsHeldBy(const std::string& worker, const v1::ImageRef& image) const {
    return const_cast<ActiveJob*>(this)->FindHeld(worker, image) != nullptr;
  }
  // Whether a finished picture of an older attempt, brought by that worker, saves making it again: while
  // nobody is at it.
  bool Wants(const std::string& worker, const v1::ImageRef& image) const;

  // --- What is known of its pictures.

  void NoteProgress(uint32_t image, uint32_t step, uint32_t steps);
  void NoteDone(uint32_t image);
  // Takes the state of a picture, made on `worker` with these weights, if it is news. It may come from an
  // older attempt, as all go through the same states, but only from the worker that had it. Attempts of an
  // earlier run of the server are believed to whoever offers them: nothing is known of who had them.
  void TakeCheckpoint(const std::string& worker, const std::string& revision, const v1::ImageRef& image,
                      uint32_t step, const std::string& data);
  // The same for what this or an earlier run of the server has kept itself.
  void TakeKept(const std::string& revision, uint32_t image, uint32_t step,
                std::shared_ptr<const std::string> data);
  // The picture begins anew.
  void DropCheckpoint(uint32_t image);
  // No worker with the weights it began with will come: its unfinished pictures begin anew, with any.
  void ForgetRevision();

  // --- What goes wrong.

  // This attempt took its worker with it, or hangs it. Counts those in a row between which the job got no
  // further, as far as checkpoints and finished pictures show. After a picture's last step only its end is
  // progress. Attempts that were alive at the same time count once: they may have had one bad neighbour.
  void NoteLoss(uint32_t attempt);
  int losses() const { return troubles_->losses; }
  // The worker cannot make it, for a reason that lies with the worker.
  void NoteFailure(const std::string& worker, const absl::Status& error);
  // Workers that could not.
  const std::set<std::string>& failed_on() const { return troubles_->failed_on; }
  const absl::Status& last_failure() const { return troubles_->last_failure; }
  bool HasFailedOn(const std::string& worker) const { return failed_on().count(worker) != 0; }
  // It waits in vain on this worker: others are better, until it is given to one again.
  void Avoid(const std::string& worker) { troubles_.Mutable().avoid = worker; }
  const std::string& avoid() const { return troubles_->avoid; }

  // --- Views.

  const std::string& id() const { return job.id(); }
  const std::string& model() const { return job.spec().model(); }
  // Of all of it; infinite: there is none.
  absl::Time Deadline() const;
  const std::vector<Image>& images() const { return images_; }
  bool AllDone() const { return job.images_done() == images_.size(); }
  // Whether a worker has any of it.
  bool running() const { return course_->alive > 0; }
  const std::map<uint32_t, Attempt>& attempts() const { return course_->attempts; }
  // Of the weights that its state, its finished pictures and its attempts come from; empty if there are none
  // of these, or it is not known.
  const std::string& revision() const { return course_->revision; }
  // A cascade takes more than the request's steps; whoever accepted the job has counted them all.
  uint32_t steps_per_image() const { return job.steps_total() / static_cast<uint32_t>(images_.size()); }
  double RowsPerStep() const { return rows_ / std::max<double>(job.steps_total(), 1); }
  double megapixels() const {
    return 1e-6 * job.spec().width() * job.spec().height() + reference_megapixels_;
  }
  // What a picture still takes, of which so many steps are done.
  Work WorkAfter(uint32_t step) const;

  // The picture to give to a worker next: one that was given back, else one that has not begun.
  // REQUIRES: one waits.
  uint32_t NextWaiting() const;
  int64_t fresh() const;  // waiting pictures that have not begun
  JobQueue::Returned returned() const;

  v1::Job job;
  uint64_t offers = 0;           // of its model that would do for it (Fleet)
  bool counted_running = false;  // among the dispatcher's

 private:
  struct Course {
    std::map<uint32_t, Attempt> attempts;  // of this run, by number
    int alive = 0;                         // attempts with pictures outstanding
    std::string revision;
  };
  struct Troubles {
    int losses = 0;
    uint32_t attempt_at_loss = 0;  // the newest
    uint32_t kept_at_loss = 0;
    uint32_t done_at_loss = 0;
    std::set<std::string> failed_on;  // workers
    absl::Status last_failure;
    std::string avoid;  // a worker
  };

  // Whether the state of this picture is news.
  bool IsNews(const std::string& revision, uint32_t image, uint32_t step) const;
  // Steps that need not be made again. The last step is not among them until the picture is done.
  uint32_t Kept() const;
  void SetStep(Image& image, uint32_t step);
  void ReviewRevision();
  // Whether what that worker says of this picture may be so: an attempt that it had, or one of an earlier run
  // of the server, of which nothing is known.
  bool MayBeOf(const std::string& worker, const v1::ImageRef& image) const;

  const uint32_t recovered_attempt_;  // attempts up to this were an earlier run's
  const double rows_, reference_megapixels_;
  std::vector<Image> images_;
  Rarely<Course> course_;  // of those that a worker has begun: a million may wait
  Rarely<Troubles> troubles_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_ACTIVE_JOB_H_
