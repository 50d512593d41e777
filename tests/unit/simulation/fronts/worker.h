// Workers, and the streams they report on.
#ifndef MIND_TESTS_UNIT_SIMULATION_FRONTS_WORKER_H_
#define MIND_TESTS_UNIT_SIMULATION_FRONTS_WORKER_H_

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "server/generation/worker_session.h"
#include "tests/unit/server/service_rig.h"
#include "tests/unit/simulation/fronts/account.h"
#include "tests/unit/simulation/fronts/front.h"

namespace mind::server::simulated {

class Worker {
 public:
  // `pace`: how likely it is to have finished a picture since it was last looked at.
  Worker(Fronts& fronts, std::string name, double pace)
      : fronts_(fronts), name_(std::move(name)), pace_(pace) {}

  void GoOn() {
    Course& course = fronts_.course();
    if (stream_ == nullptr) {
      if (course.calm() || course.Chance(0.3)) Connect();
      return;
    }
    v1::ConnectRequest capacity;
    capacity.mutable_capacity()->set_max_images(2);
    stream_->Say(capacity);
    if (held_.empty()) return;
    if (course.Chance(0.1)) GoFurther();
    if (course.Chance(course.calm() ? 0.6 : pace_)) Finish();
  }
  void Disconnect() {
    if (stream_ == nullptr) return;
    const std::shared_ptr<Stream> lost = stream_;
    Lose();
    lost->End();
  }
  // A front is no more, and with it the streams that went there.
  void OnKilled(size_t front) {
    if (stream_ != nullptr && stream_->front() == front) Lose();
  }

 private:
  using Picture = std::tuple<std::string, uint32_t, uint32_t>;  // job, attempt, index

  static constexpr uint32_t kMostSteps = 10;  // of the shortest request

  struct Held {
    uint64_t seed = 0;
    uint32_t step = 0;
  };

  // What it is sent arrives, if the stream still stands then.
  class Stream : public WorkerSession, public std::enable_shared_from_this<Stream> {
   public:
    Stream(Worker& worker, size_t front) : worker_(worker), all_(worker.fronts_), front_(front) {}

    void Send(v1::ConnectResponse message) override {
      if (ended_) return;  // at the front: nothing leaves any more
      if (message.has_assign()) account().Assigned(term_, message.assign());
      if (message.has_cancel()) account().Spoil(term_);
      all_.course().Later(
          [self = shared_from_this(), message = std::move(message)] {
            if (self->worker_.stream_ == self) self->worker_.Take(message);
          },
          &down_);
    }
    void Close(const absl::Status&) override {
      ended_ = true;
      account().Spoil(term_);
      all_.course().Later(
          [self = shared_from_this()] {
            if (self->worker_.stream_ == self) self->worker_.Lose();
          },
          &down_);
    }
    void Begin(v1::Register registration) {
      Do([self = shared_from_this(), registration = std::move(registration)](Front& front) {
        self->term_ = front.term();
        const absl::Status taken = front.seat().OnRegister(self, registration);
        if (!taken.ok()) self->Close(taken);
      });
    }
    void Say(v1::ConnectRequest message) {
      Do([this, message = std::move(message)](Front& front) {
        if (message.has_image_result()) account().Brought(term_, message.image_result().image());
        front.seat().OnMessage(this, message);
      });
    }
    void End() {
      Do([this](Front& front) {
        account().Spoil(term_);
        front.seat().OnClosed(this);
        ended_ = true;
      });
    }
    size_t front() const { return front_; }

   private:
    // Has it done at the front, in order.
    void Do(std::function<void(Front&)> what) {
      all_.Reach(
          front_, [self = shared_from_this(), what = std::move(what)](Front& front) { what(front); }, &up_,
          [self = shared_from_this()] { self->Close(Database::Away()); });
    }
    Account& account() { return all_.database().account(); }

    Worker& worker_;
    Fronts& all_;
    const size_t front_;
    uint64_t term_ = 0;
    absl::Duration up_, down_;  // lanes
    bool ended_ = false;
  };

  void Connect() {
    const std::optional<size_t> leader = fronts_.Dial();
    if (!leader) return;
    stream_ = std::make_shared<Stream>(*this, *leader);
    v1::Register registration;
    registration.set_name(name_);
    *registration.add_models() = SmallModel("m");
    stream_->Begin(std::move(registration));
    for (const auto& [picture, seed] : made_) stream_->Say(Result(picture, seed));
  }
  void Lose() {
    stream_.reset();
    held_.clear();
  }
  void Take(const v1::ConnectResponse& message) {
    if (message.has_assign()) {
      const v1::Assign& assign = message.assign();
      for (const v1::AssignedImage& image : assign.images()) {
        const Picture picture{assign.job_id(), assign.attempt(), image.image_index()};
        held_[picture] = {.seed = assign.spec().seed() + image.image_index()};
        v1::ConnectRequest message;
        *message.mutable_image_started()->mutable_image() = Ref(picture);
        stream_->Say(std::move(message));
      }
    }
    if (message.has_cancel()) {
      std::erase_if(held_, [&](const auto& one) {
        const bool stops = std::get<0>(one.first) == message.cancel().job_id() &&
                           std::get<1>(one.first) == message.cancel().attempt();
        v1::ConnectRequest stopped;
        *stopped.mutable_image_cancelled()->mutable_image() = Ref(one.first);
        if (stops) stream_->Say(std::move(stopped));
        return stops;
      });
    }
    if (message.has_taken()) {
      const v1::ImageRef& image = message.taken().image();
      made_.erase({image.job_id(), image.attempt(), image.image_index()});
    }
  }

  void Finish() {
    const auto done = held_.extract(held_.begin());
    made_[done.key()] = done.mapped().seed;
    stream_->Say(Result(done.key(), done.mapped().seed));
  }
  void GoFurther() {
    const Picture& picture = held_.begin()->first;
    uint32_t& step = held_.begin()->second.step;
    step = std::min(step + 1, kMostSteps - 1);
    v1::ConnectRequest progressed;
    *progressed.mutable_image_progress()->mutable_image() = Ref(picture);
    progressed.mutable_image_progress()->set_step(step);
    progressed.mutable_image_progress()->set_steps(kMostSteps);
    stream_->Say(std::move(progressed));
    v1::ConnectRequest kept;
    v1::ImageCheckpoint& checkpoint = *kept.mutable_image_checkpoint();
    *checkpoint.mutable_image() = Ref(picture);
    checkpoint.set_step(step);
    checkpoint.set_data(std::get<0>(picture) + "/" + std::to_string(std::get<2>(picture)) + " at " +
                        std::to_string(step));
    fronts_.database().account().Reached(checkpoint);
    stream_->Say(std::move(kept));
  }
  static v1::ConnectRequest Result(const Picture& picture, uint64_t seed) {
    v1::ConnectRequest message;
    v1::ImageResult& result = *message.mutable_image_result();
    *result.mutable_image() = Ref(picture);
    result.set_seed(seed);
    result.set_media_type("image/png");
    result.set_data("picture");
    return message;
  }
  static v1::ImageRef Ref(const Picture& picture) {
    v1::ImageRef image;
    image.set_job_id(std::get<0>(picture));
    image.set_attempt(std::get<1>(picture));
    image.set_image_index(std::get<2>(picture));
    return image;
  }

  Fronts& fronts_;
  const std::string name_;
  const double pace_;
  std::shared_ptr<Stream> stream_;
  std::map<Picture, Held> held_;
  std::map<Picture, uint64_t> made_;  // not taken yet, as far as it knows; with the seed
};

}  // namespace mind::server::simulated

#endif  // MIND_TESTS_UNIT_SIMULATION_FRONTS_WORKER_H_
