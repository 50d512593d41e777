#include "tests/bench/server/event_readers.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/support/loopback.h"

namespace mind::bench {
namespace {

constexpr std::string_view kPreview = "event: preview\n";
constexpr char kHeard[] = "all have heard";

struct Reader {
  int fd = -1;
  bool heard = false;
  size_t previews = 0;
  std::array<char, kPreview.size() - 1> tail;  // of what came last: a name may be cut in two
  size_t tail_size = 0;
};

// Not string_view's: that is slow in a picture's base64, and here readers share the server's processors.
size_t Find(std::string_view text, std::string_view wanted) {
  const void* const found = memmem(text.data(), text.size(), wanted.data(), wanted.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

// Reads what is there; false at the end.
bool Read(Reader& reader) {
  std::array<char, 16384> buffer;
  std::copy_n(reader.tail.begin(), reader.tail_size, buffer.begin());
  const ssize_t size = recv(reader.fd, buffer.data() + reader.tail_size, buffer.size() - reader.tail_size, 0);
  if (size <= 0) return false;
  std::string_view text(buffer.data(), reader.tail_size + static_cast<size_t>(size));
  if (!reader.heard) reader.heard = Find(text, "event: ") != std::string_view::npos;
  for (size_t at = Find(text, kPreview); at != std::string_view::npos; at = Find(text, kPreview)) {
    ++reader.previews;
    text.remove_prefix(at + kPreview.size());
  }
  reader.tail_size = std::min(text.size(), reader.tail.size());
  std::copy_n(text.end() - reader.tail_size, reader.tail_size, reader.tail.begin());
  return true;
}

}  // namespace

double EventReaders::Now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void RunEventReaders(int port, size_t count, const std::string& targets_file) {
  std::vector<std::string> targets;
  std::ifstream file(targets_file);
  for (std::string line; std::getline(file, line);) targets.push_back(line);
  const int epoll = epoll_create1(0);
  std::vector<Reader> readers(count);
  std::vector<size_t> reached;  // by how many previews: readers that have as many
  size_t heard = 0;
  for (size_t i = 0; i < count; ++i) {
    readers[i].fd = support::Connect(port);
    support::SendAll(readers[i].fd, absl::StrCat("GET ", targets[i % targets.size()],
                                                 " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, readers[i].fd, &event);
  }
  for (std::array<epoll_event, 1024> events;;) {
    const int ready = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      Reader& reader = readers[events[static_cast<size_t>(i)].data.u64];
      const bool had_heard = reader.heard;
      const size_t had = reader.previews;
      if (!Read(reader)) std::_Exit(1);
      if (!had_heard && reader.heard && ++heard == count) std::printf("%s\n", kHeard);
      for (size_t previews = had + 1; previews <= reader.previews; ++previews) {
        reached.resize(std::max(reached.size(), previews + 1));
        if (++reached[previews] == count)
          std::printf("previews %zu at %.9f\n", previews, EventReaders::Now());
      }
    }
    std::fflush(stdout);
  }
}

std::vector<std::string> EventReaders::Command(const std::string& program, const std::string& folder,
                                               int port, size_t count,
                                               const std::vector<std::string>& targets) {
  const std::string file = folder + "/targets";
  std::ofstream(file) << absl::StrJoin(targets, "\n") << "\n";
  return {program, "event-readers", absl::StrCat(port), absl::StrCat(count), file};
}

EventReaders::EventReaders(const std::string& program, const std::string& folder, int port, size_t count,
                           const std::vector<std::string>& targets)
    : process_(Command(program, folder, port, count, targets), folder + "/readers") {
  process_.AwaitLine(kHeard);
}

double EventReaders::AwaitPreviews(size_t count) {
  const std::string before = absl::StrCat("previews ", count, " at ");
  const std::string line = process_.AwaitLine(before);
  double time = 0;
  if (!absl::SimpleAtod(line.substr(line.find(before) + before.size()), &time))
    throw std::runtime_error("the readers say " + line);
  return time;
}

}  // namespace mind::bench
