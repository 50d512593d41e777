// The page's words, in English and Chinese.
// @ts-check

/** @type {Record<string, Record<string, string>>} */
const TEXTS = {
  en: {
    skip: 'To the pictures', create: 'Create', operators: 'Operators', language: 'Language',
    prompt: 'What do you want to see?', promptHint: 'A red apple on a wooden table — or 一个红苹果',
    model: 'Model', make: 'Make pictures', works: 'Your pictures', nothing: 'Your pictures will form here.',
    negative: 'What you do not want to see', width: 'Width', height: 'Height', steps: 'Steps', guidance: 'Guidance',
    sampler: 'Sampler', seed: 'Seed', seedHint: 'random', variation: 'Variation', variationSeed: 'Seed of the variation', count: 'Pictures', format: 'Format', more: 'More', classLabel: 'Class',
    strength: 'How far from it',
    drop: 'Drop a picture to begin with — or one made here, for its settings', choose: 'Choose a picture',
    dropSlot: 'Drop pictures to change or to go by', slotsAbout: 'Up to {n} pictures to change or to go by; the prompt may count them: “picture 1”.', slot: 'Picture {n}',
    paint: 'Paint over what shall change.', brush: 'Brush', clear: 'Clear', remove: 'Remove',
    queued: 'Waiting', ahead: '{n} before it', soon: 'about {t}', started: 'Starting',
    STAGE_LOADING_MODEL: 'Loading the model', STAGE_ENCODING: 'Encoding the prompt',
    STAGE_UPSCALING: 'Upscaling', STAGE_DECODING: 'Decoding', step: 'Step {a} of {b}', left: '{t} left',
    done: 'Done in {t}', failed: 'Failed: {why}', cancelled: 'Cancelled', lost: 'No longer on the server',
    cancel: 'Cancel', again: 'Use these settings', share: 'Copy link', copied: 'Link copied', save: 'Save', forget: 'Remove from page',
    picture: 'Picture {n}: {prompt}', preview: 'Preview of picture {n}',
    workers: 'Workers', queue: 'Queue', waiting: 'Waiting', running: 'Running', noWorkers: 'No worker is connected.',
    of: '{a} of {b} pictures', pace: '{steps} steps/s, {rows} rows a batch', idle: 'Idle', models: 'Models', second: '{n} s', minute: '{n} min', settings: 'Settings taken from the picture', madeByModel: 'The file says: made by a model',
    guidanceGroup: 'Guidance, closer', guidanceAbout: 'For strong guidance without harsh colours, and for more variety.',
    guidanceRescale: 'Contrast drawn back', guidanceBegin: 'Guided from', guidanceEnd: 'Guided until',
    projectedEta: 'Along the picture (APG eta)', projectedNorm: 'Longest push (APG norm, 0: any)', projectedMomentum: 'Momentum (APG)',
    clipSkip: 'Layers left out', noiseLevel: 'Noise on the picture', lora: 'LoRA {name}',
    hiresGroup: 'Second pass, larger', hiresAbout: 'For large pictures that begin from noise.', hires: 'How much larger',
    hiresSteps: 'Its steps', hiresStepsHint: 'as many as the first', hiresStrength: 'How far it goes', hiresUpscaler: 'What is enlarged',
    HIRES_UPSCALER_LATENT: 'Latents', HIRES_UPSCALER_LANCZOS: 'The picture (Lanczos)',
    sourceFit: 'If its proportions are others', SOURCE_FIT_STRETCH: 'Stretch it', SOURCE_FIT_CROP: 'Cut it to its middle',
    SOURCE_FIT_FILL: 'Continue its edges', painted: 'What is painted over', maskBlur: 'Blurred by, in pixels',
    onlyMasked: 'Make only this part, at the full size', maskPadding: 'Pixels around it', maskFill: 'It begins with', MASK_FILL_ORIGINAL: 'The picture', MASK_FILL_SURROUNDINGS: 'Colours around it',
    MASK_FILL_NOISE: 'Noise', MASK_FILL_NOTHING: 'Nothing', chooseMask: 'Take a mask from a file',
    INPUT_ROLE_PROMPT: 'Pictures as prompts', INPUT_ROLE_PROMPT_about: 'Up to {n}; their style and what is in them join the text.',
    INPUT_ROLE_CONTROL: 'Pictures that steer', INPUT_ROLE_CONTROL_about: 'Up to {n}: edges, depth, a pose, as the network was made to see.',
    addPicture: 'Add a picture', unreadable: '{name} cannot be read as a picture.', network: 'Network', weight: 'Weight', kind: 'Kind, by number', tiling: 'Without seams', vae: 'Autoencoder (VAE)', vaeOwn: 'the model’s own', yes: 'yes', no: 'no',
    numbers: 'falling numbers, {max} to {min}', enlarge: 'Enlarge picture {n}: {prompt}', close: 'Close',
    key: 'Key', keyTitle: 'This server asks for a key', keyLabel: 'Key', keyUse: 'Use it', keyNot: 'Not now', keyForget: 'Forget the key',
    keyHint: 'mind_…, as who runs the server has given it to you. It stays in this browser.',
    keyRefused: 'The server does not accept this key.',
    noModel: 'No worker has offered a model yet.', unreachable: 'The server does not answer.',
  },
  zh: {
    skip: '跳到图片', create: '创作', operators: '运维', language: '语言',
    prompt: '想看到什么？', promptHint: '木桌上的一个红苹果',
    model: '模型', make: '生成图片', works: '你的图片', nothing: '图片会在这里逐渐成形。',
    negative: '不想看到什么', width: '宽', height: '高', steps: '步数', guidance: '引导强度',
    sampler: '采样器', seed: '种子', seedHint: '随机', variation: '变异强度', variationSeed: '变异种子', count: '张数', format: '格式', more: '更多', classLabel: '类别',
    strength: '改动幅度',
    drop: '拖入一张起始图片——或这里生成的图片以取回参数', choose: '选择图片',
    dropSlot: '拖入要修改或参考的图片', slotsAbout: '至多 {n} 张要修改或参考的图片；提示词可以按序提到它们：“图1”。', slot: '图 {n}',
    paint: '涂抹要改动的地方。', brush: '画笔', clear: '清除', remove: '移除',
    queued: '排队中', ahead: '前面还有 {n} 个', soon: '约 {t}', started: '正在开始',
    STAGE_LOADING_MODEL: '正在加载模型', STAGE_ENCODING: '正在编码提示词',
    STAGE_UPSCALING: '正在放大', STAGE_DECODING: '正在解码', step: '第 {a} / {b} 步', left: '剩余 {t}',
    done: '用时 {t}', failed: '失败：{why}', cancelled: '已取消', lost: '服务器上已不存在',
    cancel: '取消', again: '使用这些参数', share: '复制链接', copied: '链接已复制', save: '保存', forget: '从页面移除',
    picture: '第 {n} 张：{prompt}', preview: '第 {n} 张的预览',
    workers: '工作进程', queue: '队列', waiting: '等待', running: '运行中', noWorkers: '没有已连接的工作进程。',
    of: '{a} / {b} 张', pace: '每秒 {steps} 步，每批 {rows} 行', idle: '空闲', models: '模型', second: '{n} 秒', minute: '{n} 分钟', settings: '已取回图片中的参数', madeByModel: '文件标明：由模型生成',
    guidanceGroup: '引导细调', guidanceAbout: '强引导而不刺眼，或结果更多样。',
    guidanceRescale: '对比度回调（重标定）', guidanceBegin: '引导起点', guidanceEnd: '引导终点',
    projectedEta: '平行分量（APG eta）', projectedNorm: '长度上限（APG，0 为不限）', projectedMomentum: '动量（APG）',
    clipSkip: '略过的文本层数', noiseLevel: '图片上的噪声', lora: 'LoRA {name}',
    hiresGroup: '二次放大', hiresAbout: '用于从噪声开始的大图。', hires: '放大倍数',
    hiresSteps: '第二遍步数', hiresStepsHint: '与第一遍相同', hiresStrength: '第二遍改动幅度', hiresUpscaler: '放大对象',
    HIRES_UPSCALER_LATENT: '潜变量', HIRES_UPSCALER_LANCZOS: '图片（Lanczos）',
    sourceFit: '比例不同时', SOURCE_FIT_STRETCH: '拉伸', SOURCE_FIT_CROP: '居中裁剪', SOURCE_FIT_FILL: '延伸边缘填充',
    painted: '涂抹处', maskBlur: '蒙版模糊（像素）', onlyMasked: '只以全尺寸生成这一部分', maskPadding: '周围像素', maskFill: '涂抹处起始内容', MASK_FILL_ORIGINAL: '原图', MASK_FILL_SURROUNDINGS: '周围颜色',
    MASK_FILL_NOISE: '噪声', MASK_FILL_NOTHING: '空白', chooseMask: '从文件读取蒙版',
    INPUT_ROLE_PROMPT: '图片提示', INPUT_ROLE_PROMPT_about: '至多 {n} 张；其风格与内容与文字一起起作用。',
    INPUT_ROLE_CONTROL: '控制图片', INPUT_ROLE_CONTROL_about: '至多 {n} 张：边缘、深度、姿态等，按网络所需。',
    addPicture: '添加图片', unreadable: '无法将 {name} 读作图片。', network: '网络', weight: '权重', kind: '类型编号', tiling: '无缝平铺', vae: '自编码器（VAE）', vaeOwn: '模型自带', yes: '是', no: '否',
    numbers: '递减的数列，{max} 至 {min}', enlarge: '放大第 {n} 张：{prompt}', close: '关闭',
    key: '密钥', keyTitle: '此服务器需要密钥', keyLabel: '密钥', keyUse: '使用', keyNot: '暂不', keyForget: '忘记密钥',
    keyHint: 'mind_…，由服务器的管理者提供。它只保存在此浏览器中。',
    keyRefused: '服务器不接受此密钥。',
    noModel: '还没有工作进程提供模型。', unreachable: '服务器没有应答。',
  },
};

let language = localStorage.getItem('language') ?? (navigator.language.startsWith('zh') ? 'zh' : 'en');

export const currentLanguage = () => language;

/** The words for a name, with {places} filled. @param {string} name @param {Record<string, string | number>} [places] */
export function say(name, places = {}) {
  return TEXTS[language][name].replace(/\{(\w+)\}/g, (_, place) => String(places[place]));
}

/** For people: "12 s", "3 min". @param {number} seconds */
export const duration = seconds =>
  seconds < 90 ? say('second', {n: seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}) : say('minute', {n: Math.round(seconds / 60)});

/** Puts the words of the language into the elements that name them. @param {ParentNode} [root] */
export function translate(root = document) {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  for (const element of root.querySelectorAll('[data-text]')) element.textContent = say(/** @type {HTMLElement} */ (element).dataset.text ?? '');
  for (const element of root.querySelectorAll('[data-placeholder]')) {
    /** @type {HTMLTextAreaElement} */ (element).placeholder = say(/** @type {HTMLElement} */ (element).dataset.placeholder ?? '');
  }
}

/** @param {string} to */
export function setLanguage(to) {
  language = to in TEXTS ? to : 'en';
  localStorage.setItem('language', language);
  translate();
}
