export default function Overview() { return <div className="page"><h1>x</h1></div>; }
