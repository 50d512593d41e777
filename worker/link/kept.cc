#include "worker/link/kept.h"

#include <algorithm>

namespace mind {
namespace {

size_t BytesOf(const v1::ConnectRequest& report) {
  return report.has_image_result() ? report.image_result().data().size()
                                   : report.image_checkpoint().data().size();
}

ReportPtr CheckpointOf(const v1::ImageHandedBack& handed) {
  const auto report = std::make_shared<v1::ConnectRequest>();
  v1::ImageCheckpoint& checkpoint = *report->mutable_image_checkpoint();
  *checkpoint.mutable_image() = handed.image();
  checkpoint.set_step(handed.step());
  checkpoint.set_data(handed.checkpoint());
  return report;
}

}  // namespace

std::vector<ReportPtr> Kept::Note(const ReportPtr& report) {
  const v1::ImageRef* const image = PictureOf(*report);
  if (image == nullptr) return {};
  const Key key = KeyOf(*image);
  if (report->has_image_cancelled() || report->has_image_failure()) {
    Remove(key);
    return {};
  }
  ReportPtr kept = report;
  if (report->has_image_handed_back()) {
    if (report->image_handed_back().checkpoint().empty()) return {};
    kept = CheckpointOf(report->image_handed_back());
  } else if (!report->has_image_result() && !report->has_image_checkpoint()) {
    return {};
  }
  const ReportPtr before = Find(*image);
  if (before != nullptr && kept->has_image_checkpoint() &&
      (before->has_image_result() || before->image_checkpoint().step() > kept->image_checkpoint().step())) {
    return {};
  }
  Put(key, std::move(kept));

  std::vector<ReportPtr> gone;
  while (bytes_ > max_bytes_ && entries_.size() > 1) {
    const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
      return a.second.number < b.second.number;
    });
    gone.push_back(oldest->second.report);
    Remove(Key(oldest->first));
  }
  return gone;
}

void Kept::Forget(const std::vector<ReportPtr>& offered) {
  for (const ReportPtr& report : offered) {
    if (Find(*PictureOf(*report)) == report) Forget(*PictureOf(*report));
  }
}

std::vector<ReportPtr> Kept::All() const {
  std::vector<Entry> entries;
  for (const auto& [key, entry] : entries_) entries.push_back(entry);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(!a.report->has_image_result(), a.number) <
           std::pair(!b.report->has_image_result(), b.number);
  });
  std::vector<ReportPtr> all;
  for (Entry& entry : entries) all.push_back(std::move(entry.report));
  return all;
}

ReportPtr Kept::Find(const v1::ImageRef& image) const {
  const auto found = entries_.find(KeyOf(image));
  return found == entries_.end() ? nullptr : found->second.report;
}

void Kept::Put(const Key& key, ReportPtr report) {
  Remove(key);
  bytes_ += BytesOf(*report);
  if (report->has_image_result()) ++results_;
  entries_[key] = {std::move(report), next_number_++};
}

void Kept::Remove(const Key& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  bytes_ -= BytesOf(*found->second.report);
  if (found->second.report->has_image_result()) --results_;
  entries_.erase(found);
}

}  // namespace mind
