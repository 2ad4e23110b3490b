// Ask the server to compute the Force layout, and wait for it.  True once it is there.

const PAUSE = 400; // ms between questions

/** `address`: POST starts, GET answers {state: "running" | "done" | "failed", share, text}.  `say` shows progress. */
export async function forceLayout(address, graph, say) {
  if (!address) return say("There is no Force layout of this graph."), false;
  let answer = await ask(address, { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" } });
  while (answer.state === "running") {
    say(`Computing the Force layout: ${Math.round(answer.share * 100)} % (${answer.text})`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    answer = await ask(address);
  }
  if (answer.state !== "done") say(`The Force layout failed: ${answer.text}`);
  return answer.state === "done";
}

async function ask(address, options = {}) {
  const response = await fetch(address, options);
  return response.ok ? response.json() : { state: "failed", text: `the server answered ${response.status}` };
}
