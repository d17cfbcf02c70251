// node THIS REQUESTS ANSWERS: embed by transformers.js, from local folders, without a network.
import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { env, pipeline } from "@huggingface/transformers";

env.allowRemoteModels = false;

async function embed(request) {
  env.localModelPath = dirname(request.bundle);
  const dtype = request.dtype === "int8" ? "q8" : "fp32";
  const extractor = await pipeline("feature-extraction", basename(request.bundle), { dtype });
  const options = { pooling: request.pooling, normalize: request.normalize };
  const vectors = [];
  for (let start = 0; start < request.texts.length; start += request.batch_size) {
    const texts = request.texts.slice(start, start + request.batch_size);
    vectors.push(...(await extractor(texts, options)).tolist());
  }
  return vectors;
}

const answers = [];
for (const request of JSON.parse(readFileSync(process.argv[2], "utf-8"))) {
  answers.push(await embed(request));
}
writeFileSync(process.argv[3], JSON.stringify(answers));
