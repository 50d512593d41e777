#include "tests/bench/cluster/gpu.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace mind::simulation {
namespace {

constexpr double kRowsAPicture = 2;  // with guidance
constexpr double kSmoothing = 0.2;   // weight of the newest measurement, as the engine's
constexpr double kRounding = 1e-6;   // of a round

}  // namespace

void Gpu::Take(Picture picture, double now) {
  waiting_.push_back(std::move(picture));
  Plan(now);
}

double Gpu::Rounds(double now) const {
  return running_.empty() ? 0 : std::floor((now - began_) / round_ + kRounding);
}

Gpu::News Gpu::Advance(double now) {
  News news;
  Count(Rounds(now));
  const auto ended = [](const Picture& picture) { return picture.left == 0; };
  std::copy_if(running_.begin(), running_.end(), std::back_inserter(news.done), ended);
  std::erase_if(running_, ended);
  // A static batch is put together after the results of the last are told, as room for it comes with them.
  if (batching_ == Batching::kByStep || news.done.empty()) Admit(news);
  Begin(now);
  return news;
}

void Gpu::Count(double rounds) {
  if (rounds == 0) return;
  totals_.busy_seconds += rounds * round_;
  totals_.picture_steps += rounds * static_cast<double>(running_.size());
  for (size_t kind = 0; kind < of_kind_.size(); ++kind) {
    if (of_kind_[kind] == 0) continue;
    totals_.forwards += rounds;
    const double row = pool_.kinds[kind].times.Of(of_kind_[kind]) / (kRowsAPicture * of_kind_[kind]);
    rows_[kind] += (rows_[kind] == 0 ? 1 : kSmoothing) * (row - rows_[kind]);
  }
  for (Picture& picture : running_) {
    const uint32_t steps = std::min(picture.left, static_cast<uint32_t>(rounds));
    picture.left -= steps;
    picture.done += steps;
  }
}

void Gpu::Admit(News& news) {
  if (waiting_.empty()) return;
  if (batching_ == Batching::kByStep) {
    news.begun = std::exchange(waiting_, {});
  } else if (running_.empty()) {
    const size_t kind = waiting_.front().kind;
    const auto rest = std::stable_partition(waiting_.begin(), waiting_.end(),
                                            [&](const Picture& picture) { return picture.kind == kind; });
    news.begun.assign(waiting_.begin(), rest);
    waiting_.erase(waiting_.begin(), rest);
  }
  running_.insert(running_.end(), news.begun.begin(), news.begun.end());
}

void Gpu::Begin(double now) {
  began_ = now;
  of_kind_.assign(pool_.kinds.size(), 0);
  for (const Picture& picture : running_) ++of_kind_[picture.kind];
  round_ = 0;
  for (size_t kind = 0; kind < of_kind_.size(); ++kind) {
    if (of_kind_[kind] > 0) round_ += pool_.kinds[kind].times.Of(of_kind_[kind]);
  }
  Plan(now);
}

void Gpu::Plan(double now) {
  if (running_.empty()) {
    next_ = waiting_.empty() ? std::numeric_limits<double>::infinity() : now;
    return;
  }
  const auto [least, most] = std::minmax_element(
      running_.begin(), running_.end(), [](const Picture& a, const Picture& b) { return a.left < b.left; });
  double rounds = batching_ == Batching::kStatic ? most->left : least->left;
  if (batching_ == Batching::kByStep && !waiting_.empty()) {
    rounds = std::min(rounds, std::ceil((now - began_) / round_ - kRounding));
  }
  next_ = std::max(now, began_ + rounds * round_);
}

std::vector<Gpu::Picture> Gpu::Running(double now) const {
  std::vector<Picture> running = running_;
  for (Picture& picture : running) {
    const auto steps = static_cast<uint32_t>(std::min<double>(picture.left - 1, Rounds(now)));
    picture.left -= steps;
    picture.done += steps;
  }
  return running;
}

std::vector<Gpu::Picture> Gpu::HandBack(double now) {
  std::vector<Picture> all = Running(now);
  Count(Rounds(now));
  all.insert(all.end(), waiting_.begin(), waiting_.end());
  running_.clear();
  waiting_.clear();
  Begin(now);
  return all;
}

// A batch that nobody can join leaves no room: what waited here could begin elsewhere before.
uint32_t Gpu::max_images() const {
  const bool closed = batching_ == Batching::kStatic && !running_.empty();
  return closed ? 0 : room_;
}

double Gpu::RowSeconds() const {
  if (rows_.front() != 0) return rows_.front();
  const auto pixels = [](const Kind& kind) { return static_cast<double>(kind.side) * kind.side; };
  for (size_t kind = 1; kind < rows_.size(); ++kind) {
    if (rows_[kind] != 0) return rows_[kind] * pixels(pool_.kinds.front()) / pixels(pool_.kinds[kind]);
  }
  return 0;
}

Gpu::Totals Gpu::TotalsAt(double now) const {
  Totals totals = totals_;
  if (!running_.empty()) totals.busy_seconds += std::max(0.0, now - began_);
  return totals;
}

}  // namespace mind::simulation
