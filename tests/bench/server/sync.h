// What the disk itself takes to make a page durable: what is on it before it is told is no faster.
#ifndef MIND_TESTS_BENCH_SERVER_SYNC_H_
#define MIND_TESTS_BENCH_SERVER_SYNC_H_

#include <filesystem>
#include <string>
#include <vector>

namespace mind::bench {

// Seconds that each takes of 4 KiB written and synced, from the beginning of a file on. The first time it
// grows; a log that has its size already, as SQLite's has after its first checkpoint, is written over.
std::vector<double> Syncs(const std::filesystem::path& file, int count);

// The median of some in a folder, written over. To be taken beside what is to be compared with it: disks that
// others use too change from minute to minute.
double SyncSeconds(const std::string& folder);

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_SYNC_H_
