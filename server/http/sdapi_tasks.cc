#include "server/http/sdapi_tasks.h"

#include <algorithm>

namespace mind::server {
namespace {

constexpr size_t kMostEnded = 256;     // remembered by their ids
constexpr size_t kMostCallers = 1000;  // whose options are kept

// Of a picture: of both passes, where it has two.
uint32_t StepsOf(const v1::ImageSpec& spec) {
  return spec.steps() + spec.hires().steps();
}

}  // namespace

void SdapiTask::Take(const JobEventPtr& event) {
  if (event->has_queued()) {
    job_id = event->queued().job().id();
    spec = event->queued().job().spec();
  }
  if (event->has_progress()) {
    steps[event->progress().image_index()] = event->progress().step();
    remaining.reset();
    if (event->progress().has_estimated_remaining()) {
      const google::protobuf::Duration& left = event->progress().estimated_remaining();
      remaining = absl::Seconds(left.seconds()) + absl::Nanoseconds(left.nanos());
    }
  }
  if (event->has_image()) steps[event->image().image_index()] = StepsOf(spec);
  if (event->has_preview()) preview = event;
}

double SdapiTask::progress() const {
  double taken = 0;
  for (const auto& [picture, step] : steps) taken += step;
  const double all = static_cast<double>(StepsOf(spec)) * spec.image_count();
  return all > 0 ? std::min(taken / all, 1.0) : 0;
}

SdapiTaskPtr SdapiTasks::Begin(const std::string& tenant, const std::string& id, absl::Time now) {
  auto task = std::make_shared<SdapiTask>();
  task->tenant = tenant;
  task->id = id;
  task->number = ++last_;
  task->begun = now;
  tasks_[tenant][task->number] = task;
  if (!id.empty()) named_[{tenant, id}][task->number] = task;
  return task;
}

void SdapiTasks::End(const SdapiTaskPtr& task) {
  const auto remove = [&task](auto& from, const auto& key) {
    const auto found = from.find(key);
    found->second.erase(task->number);
    if (found->second.empty()) from.erase(found);
  };
  remove(tasks_, task->tenant);
  if (task->id.empty()) return;
  remove(named_, std::pair(task->tenant, task->id));
  ended_.emplace_front(task->tenant, task->id);
  if (ended_.size() > kMostEnded) ended_.pop_back();
}

SdapiTaskPtr SdapiTasks::Find(const std::string& tenant, const std::string& id) const {
  const auto newest = [](const auto& of, const auto& key) {
    const auto found = of.find(key);
    return found == of.end() ? nullptr : found->second.begin()->second;
  };
  return id.empty() ? newest(tasks_, tenant) : newest(named_, std::pair(tenant, id));
}

bool SdapiTasks::HasEnded(const std::string& tenant, const std::string& id) const {
  return std::find(ended_.begin(), ended_.end(), std::pair(tenant, id)) != ended_.end();
}

SdapiOptions SdapiTasks::OptionsOf(const std::string& tenant) const {
  const auto found = options_.find(tenant);
  return found == options_.end() ? SdapiOptions() : found->second;
}

void SdapiTasks::SetOptions(const std::string& tenant, const SdapiOptions& options) {
  if (!options_.contains(tenant)) set_.push_back(tenant);
  options_[tenant] = options;
  if (set_.size() <= kMostCallers) return;
  options_.erase(set_.front());
  set_.pop_front();
}

nlohmann::json ProgressOf(const SdapiTask* task, absl::Time now) {
  const uint32_t count = task == nullptr ? 0 : std::max(task->spec.image_count(), 1U);
  uint32_t step = 0;
  if (task != nullptr && !task->steps.empty()) step = task->steps.rbegin()->second;
  const uint32_t steps = task == nullptr ? 0 : StepsOf(task->spec);
  const auto done = task == nullptr ? 0
                                    : std::count_if(task->steps.begin(), task->steps.end(),
                                                    [steps](const auto& of) { return of.second >= steps; });
  const double progress = task == nullptr ? 0 : task->progress();
  double eta = 0;
  if (task != nullptr && task->remaining) {
    eta = absl::ToDoubleSeconds(*task->remaining);
  } else if (progress > 0) {
    eta = absl::ToDoubleSeconds(now - task->begun) * (1 - progress) / progress;
  }
  return {
      {"progress", progress},
      {"eta_relative", eta},
      {"state",
       {{"skipped", task != nullptr && task->skipped},
        {"interrupted", task != nullptr && task->interrupted},
        {"stopping_generation", false},
        {"job", task == nullptr ? "" : task->job_id},
        {"job_count", count},
        {"job_timestamp",
         task == nullptr ? "0" : absl::FormatTime("%Y%m%d%H%M%S", task->begun, absl::UTCTimeZone())},
        {"job_no", std::min<int64_t>(done, std::max<int64_t>(int64_t{count} - 1, 0))},
        {"sampling_step", step},
        {"sampling_steps", steps}}},
      {"current_image", nullptr},
      {"textinfo", nullptr},
      {"current_task", task == nullptr || task->id.empty() ? nlohmann::json() : nlohmann::json(task->id)}};
}

}  // namespace mind::server
