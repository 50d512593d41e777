#include "server/process/door.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/labelled_metric.h"
#include "proto/support/logging.h"
#include "server/process/cluster_address.h"

namespace mind::server {
namespace {

// Before the next try where accepting fails: no files are left.
constexpr int kFullPauseMs = 200;
// Between two lines of the log about that.
constexpr absl::Duration kTellFull = absl::Minutes(1);
// What has been sent and is not acknowledged in that time ends a connection.
constexpr int kUnacknowledgedMs = 10'000;

bool IsWildcard(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

bool Set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

void SetPort(sockaddr* address, int port) {
  const auto number = htons(static_cast<uint16_t>(port));
  (address->sa_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(address)->sin6_port
                                  : reinterpret_cast<sockaddr_in*>(address)->sin_port) = number;
}

// A listener at this address; -1, and errno says why there is none. `both`: of IPv6 and IPv4.
int ListenAt(const addrinfo& at, bool both) {
  const int fd = socket(at.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  bool done = Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (at.ai_family == AF_INET6) done = done && Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, both ? 0 : 1);
  // Connections have them from their listener.
  Set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  Set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMs);
  if (done && bind(fd, at.ai_addr, at.ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

prometheus::Counter& Door::TurnedAway(prometheus::Registry& registry) {
  return CounterFamily(registry, "mind_connections_turned_away_total",
                       "Connections closed at once, since no more files may be open")
      .Add({});
}

Door::Door(const Options& options, prometheus::Counter& turned_away)
    : options_(options), turned_away_(turned_away), wake_(eventfd(0, EFD_CLOEXEC)) {}

Door::~Door() {
  Close();
  for (const int fd : listeners_) close(fd);
  close(wake_);
}

absl::StatusOr<std::unique_ptr<Door>> Door::Open(const Options& options, prometheus::Counter& turned_away) {
  std::unique_ptr<Door> door(new Door(options, turned_away));
  if (absl::Status status = door->Listen(); !status.ok()) return status;
  return door;
}

absl::Status Door::Listen() {
  const absl::StatusOr<HostPort> where = SplitHostPort(options_.address);
  if (!where.ok()) return where.status();
  const auto cannot = [this](const char* why) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.address, ": ", why));
  };
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  // Everywhere means by IPv4 and IPv6, where there is that.
  const bool everywhere = IsWildcard(where->host);
  for (const char* const host : {everywhere ? "::" : where->host.c_str(), "0.0.0.0"}) {
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host, absl::StrCat(where->port).c_str(), &hints, &found);
    if (error != 0) return cannot(gai_strerror(error));
    const absl::Cleanup free_found = [found] { freeaddrinfo(found); };
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
      if (port_ != 0) SetPort(at->ai_addr, port_);  // the same for all of a name's addresses
      const int fd = ListenAt(*at, everywhere);
      if (fd < 0) continue;
      listeners_.push_back(fd);
      port_ = PortOf(fd);
    }
    if (!listeners_.empty() || !everywhere) break;
  }
  return listeners_.empty() ? cannot(std::strerror(errno)) : absl::OkStatus();
}

std::unique_ptr<grpc::Server> Door::Build(grpc::ServerBuilder& builder,
                                          std::shared_ptr<grpc::ServerCredentials> credentials) {
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, std::move(credentials));
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server != nullptr) thread_ = std::thread([this] { Main(); });
  return server;
}

void Door::Close() {
  if (!thread_.joinable()) return;
  eventfd_write(wake_, 1);
  thread_.join();
  // Who comes now is refused by the system.
  for (const int fd : std::exchange(listeners_, {})) close(fd);
}

void Door::Main() {
  std::vector<pollfd> waits = {{wake_, POLLIN, 0}};
  for (const int fd : listeners_) waits.push_back({fd, POLLIN, 0});
  absl::Time told = absl::InfinitePast();
  for (;;) {
    if (poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
    if (waits[0].revents != 0) return;
    bool files = true;
    for (size_t i = 1; i < waits.size(); ++i) {
      if (waits[i].revents != 0) files = TakeIn(waits[i].fd) && files;
    }
    if (files) continue;
    if (absl::Now() - told > kTellFull) {
      told = absl::Now();
      LogWarning("connections are turned away: no more files may be open",
                 {{"address", options_.address}, {"files", options_.files}, {"kept", options_.kept}});
    }
    if (poll(waits.data(), 1, kFullPauseMs) > 0) return;
  }
}

bool Door::TakeIn(int listener) {
  for (bool files = true;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return files && errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    // The system gives the lowest number that is free: so many files are open.
    if (static_cast<uint64_t>(fd) + std::min(options_.kept, options_.files / 4) >= options_.files) {
      close(fd);
      turned_away_.Increment();
      files = false;
      continue;
    }
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listener;
    connection.fd = fd;
    acceptor_->HandleNewConnection(&connection);
  }
}

}  // namespace mind::server
