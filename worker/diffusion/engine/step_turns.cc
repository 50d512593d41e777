#include "worker/diffusion/engine/step_turns.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <tuple>

namespace mind::diffusion {
namespace {

// Steps of its own, each with one of all the others, that a picture goes without. The server takes it away
// after twenty (server/dispatch/worker.h).
constexpr double kMostSteps = 10;

}  // namespace

StepTurns::Jobs StepTurns::JobsOf(const std::vector<Picture>& pictures) {
  Jobs jobs;
  for (const Picture& picture : pictures) {
    const auto [found, added] = jobs.try_emplace(KeyOf(picture), Job{.arrived = picture.arrived});
    Job& job = found->second;
    job.left += picture.seconds_left;
    job.arrived = std::min(job.arrived, picture.arrived);
    job.known = job.known && picture.seconds_left > 0;
  }
  return jobs;
}

void StepTurns::Meet(const std::vector<Picture>& pictures) {
  std::set<std::string_view> here;
  double least = std::numeric_limits<double>::infinity();
  for (const Picture& picture : pictures) {
    if (!here.insert(picture.tenant).second) continue;
    const auto found = served_.find(picture.tenant);
    // Who was away has no claim on what was given meanwhile.
    const double served = found == served_.end() ? virtual_time_ : found->second;
    least = std::min(least, served);
  }
  virtual_time_ = std::max(virtual_time_, least);
  std::erase_if(served_, [&](const auto& tenant) {
    return tenant.second <= virtual_time_ && here.find(tenant.first) == here.end();
  });
  for (const std::string_view tenant : here) {
    double& served = served_.try_emplace(std::string(tenant), virtual_time_).first->second;
    served = std::max(served, virtual_time_);
  }
}

std::vector<size_t> StepTurns::Order(const std::vector<Picture>& pictures) {
  Meet(pictures);
  std::vector<size_t> order(pictures.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto by_service = [&](size_t a, size_t b) {
    return std::tie(pictures[a].last_served, pictures[a].id) <
           std::tie(pictures[b].last_served, pictures[b].id);
  };
  if (order.empty()) return order;
  const auto [first, last] = std::minmax_element(order.begin(), order.end(), by_service);
  const double without = static_cast<double>(pictures[*last].last_served - pictures[*first].last_served);
  if (options_.flow >= 1 || without * options_.flow >= static_cast<double>(pictures.size())) {
    std::sort(order.begin(), order.end(), by_service);
    return order;
  }

  const Jobs jobs = JobsOf(pictures);
  double longest = 0;
  for (const auto& [key, job] : jobs) longest = std::max(longest, job.left);
  struct Rank {
    bool can_wait = false, stands_back = false, known = false;
    double key = 0, left = 0;
    uint64_t id = 0;
    auto operator<=>(const Rank&) const = default;
  };
  const double most = kMostSteps * static_cast<double>(pictures.size());
  std::vector<Rank> ranks;
  for (const Picture& picture : pictures) {
    const Job& job = jobs.at(KeyOf(picture));
    const double ahead = (served_.find(picture.tenant)->second - virtual_time_) * picture.weight;
    const bool overdue =
        options_.flow > 0 && picture.step_seconds > 0 && now_ - picture.served > most * picture.step_seconds;
    ranks.push_back({.can_wait = !overdue,
                     .stands_back = ahead > options_.lead * longest,
                     .known = job.known,
                     .key = Key(job),
                     .left = picture.seconds_left,
                     .id = picture.id});
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ranks[a] < ranks[b]; });
  return order;
}

void StepTurns::Took(double seconds, const std::vector<Share>& shares) {
  now_ += seconds;
  for (const Share& share : shares) {
    const auto found = served_.try_emplace(share.tenant, virtual_time_).first;
    found->second += seconds * share.part / share.weight;
  }
}

}  // namespace mind::diffusion
