// A job that has not ended: its pictures, its attempts, and what went wrong with them.
//
// Plain state, like the dispatcher it belongs to.
#ifndef MIND_SERVER_DISPATCH_ACTIVE_JOB_H_
#define MIND_SERVER_DISPATCH_ACTIVE_JOB_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/worker.pb.h"

namespace mind::server {

class ActiveJob {
 public:
  struct Image {
    bool done = false;
    uint32_t step = 0;     // newest known
    bool stepped = false;  // the attempt has taken its last step: the picture is being decoded
    uint32_t checkpoint_step = 0;
    std::string checkpoint;
    std::string revision;  // of the weights the checkpoint was made with
  };

  // `rows` is the whole job's cost in denoiser rows; `images_done` are pictures that need not be made.
  ActiveJob(const v1::Job& job, double rows, const std::set<uint32_t>& images_done);

  // --- Attempts.

  // Begins the next one, on this worker, whose weights have this revision: checkpoints made with others are
  // given up.
  void BeginAttempt(const std::string& worker, const std::string& revision, absl::Time now);
  // The attempt is over; what was not kept in a checkpoint is to be made again.
  void EndAttempt();
  // Whether this picture belongs to the newest attempt and that worker has it.
  bool IsHeldBy(const std::string& worker, const v1::ImageRef& image) const;

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
  // The picture begins anew.
  void DropCheckpoint(uint32_t image) { images_[image] = Image(); }

  // --- What goes wrong.

  // The attempt took its worker with it, or hangs it. Counts those in a row between which the job got no
  // further, as far as checkpoints and finished pictures show. After a picture's last step only its end is
  // progress.
  void NoteLoss();
  int losses() const { return losses_; }
  // The worker cannot make it, for a reason that lies with the worker.
  void NoteFailure(const std::string& worker, const absl::Status& error);
  // Workers that could not.
  int failures() const { return static_cast<int>(failed_on_.size()); }
  const absl::Status& last_failure() const { return last_failure_; }
  bool HasFailedOn(const std::string& worker) const { return failed_on_.count(worker) != 0; }

  // --- Views.

  const std::string& id() const { return job.id(); }
  const std::string& model() const { return job.spec().model(); }
  const std::vector<Image>& images() const { return images_; }
  int64_t images_left() const { return static_cast<int64_t>(images_.size()) - job.images_done(); }
  bool AllDone() const { return images_left() == 0; }
  bool running() const { return !worker.empty(); }
  // A cascade takes more than the request's steps; whoever accepted the job has counted them all.
  uint32_t steps_per_image() const { return job.steps_total() / static_cast<uint32_t>(images_.size()); }
  double RemainingRows() const;
  double RowsPerStep() const { return rows_ / std::max<double>(job.steps_total(), 1); }

  v1::Job job;
  absl::Time deadline = absl::InfiniteFuture();
  std::string worker;              // of the newest attempt; empty while queued
  std::set<uint32_t> outstanding;  // pictures of the newest attempt the worker has not ended yet
  uint32_t steps_at_start = 0;     // of the newest attempt
  bool start_reported = false;     // of the newest attempt
  std::string avoid;               // a worker on which it waited in vain: others are better
  int passed_over = 0;             // how many jobs that come later in order have gone before it

 private:
  // Steps that need not be made again. The last step is not among them until the picture is done.
  uint32_t Kept() const;
  void UpdateCounts();
  // Whether what that worker says of this picture may be so: an attempt that it had, or one of an earlier run
  // of the server, of which nothing is known.
  bool MayBeOf(const std::string& worker, const v1::ImageRef& image) const;

  const double rows_;
  std::vector<Image> images_;
  const uint32_t recovered_attempt_;          // attempts up to this were an earlier run's
  std::map<uint32_t, std::string> attempts_;  // by number: which worker had it
  std::string revision_;                      // of the newest attempt
  int losses_ = 0;
  uint32_t kept_at_loss_ = 0;
  uint32_t done_at_loss_ = 0;
  std::set<std::string> failed_on_;  // workers
  absl::Status last_failure_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_ACTIVE_JOB_H_
