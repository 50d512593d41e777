// What writers of parts are told when a thread has done all that was waiting for it.
#ifndef MIND_SERVER_HTTP_END_OF_TURN_H_
#define MIND_SERVER_HTTP_END_OF_TURN_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace mind::server {

// Gathers what is to be told, and hands it over at once: with many streams one wake of who hears it, not one
// a stream. Used on the io_context's thread alone; the connections on that own it together.
class EndOfTurn : public std::enable_shared_from_this<EndOfTurn> {
 public:
  // Runs what was gathered, now or later, here or elsewhere.
  using Run = std::function<void(std::function<void()>)>;

  EndOfTurn(boost::asio::io_context& io, Run run) : io_(io), run_(std::move(run)) {}
  void Do(std::function<void()> work);

 private:
  boost::asio::io_context& io_;
  const Run run_;
  std::vector<std::function<void()>> work_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_END_OF_TURN_H_
