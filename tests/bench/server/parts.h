// What a run measures, a table or two each. They do not depend on each other: each has a server of its own.
#ifndef MIND_TESTS_BENCH_SERVER_PARTS_H_
#define MIND_TESTS_BENCH_SERVER_PARTS_H_

#include <array>
#include <string>

#include "absl/time/time.h"
#include "tests/bench/server/report.h"

namespace mind::bench {

struct Setting {
  std::string program;  // this one
  std::string server;   // the mind-server that is measured
  std::string folder;   // where servers have their data
  double seconds = 3;   // for each measurement, at most
  bool large = false;   // whether sizes that take minutes are measured too

  absl::Duration limit() const { return absl::Seconds(seconds); }
  // Preparing may take longer than measuring: queues are filled.
  absl::Duration preparation() const { return limit() * (large ? 100 : 10); }
};

struct Part {
  const char* name;
  const char* what;
  void (*measure)(const Setting& setting, Report& report);
};

void MeasureDisk(const Setting& setting, Report& report);
void MeasureSubmission(const Setting& setting, Report& report);
void MeasurePictures(const Setting& setting, Report& report);
void MeasureQueue(const Setting& setting, Report& report);
void MeasureWorkers(const Setting& setting, Report& report);
void MeasureWatchers(const Setting& setting, Report& report);
void MeasureStreams(const Setting& setting, Report& report);

inline constexpr std::array<Part, 7> kParts = {
    {{"disk", "syncs", MeasureDisk},
     {"submit", "CreateJob", MeasureSubmission},
     {"picture", "GenerateImage", MeasurePictures},
     {"queue", "long queues, and restarting with the longest", MeasureQueue},
     {"workers", "what many workers say", MeasureWorkers},
     {"watchers", "many who watch one job", MeasureWatchers},
     {"streams", "many who read events over HTTP", MeasureStreams}}};

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_PARTS_H_
